// The error of every parser here: bytes of a peer that don't have the form which the protocol promises.

/** Malformed input. `offset` is the byte in the buffer (or the character in the text) where it went wrong. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  /** What is wrong, one phrase; it never quotes the bytes themselves (they may hold users' data). */
  readonly what: string;
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(`malformed protocol data: ${what} (at byte ${offset})`);
    this.what = what;
    this.offset = offset;
  }
}
