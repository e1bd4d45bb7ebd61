// Says that a session has to begin again although nothing is wrong: something that it was built on has changed.

export class SessionRestart extends Error {
  override readonly name = 'SessionRestart';
  /** The object that is loaded anew by the next session, and with that no reason for another; null where there is none. */
  readonly reloads: string | null;

  constructor(message: string, reloads: string | null = null) {
    super(message);
    this.reloads = reloads;
  }
}
