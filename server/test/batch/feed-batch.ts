// Decodes a pgoutput message straight into a batch, as the assembler does.
import type { AnyBatch } from '../../src/model/batch/any-batch.ts';
import type { ChangeOutcome } from '../../src/model/batch/object-batch.ts';
import { decodeMessage } from '../../src/pg/pgoutput/decode.ts';
import type { OldKind, PgoutputSink } from '../../src/pg/pgoutput/messages.ts';

/** Gives the batch what the message says; null (the source did nothing) is `done`. */
export function feedBatch(batch: AnyBatch, message: Buffer | null): ChangeOutcome {
  if (message === null) return 'done';
  const sink = new BatchSink(batch);
  decodeMessage(message, 0, message.length, sink);
  return sink.outcome;
}

class BatchSink implements PgoutputSink {
  outcome: ChangeOutcome = 'done';
  readonly #batch: AnyBatch;

  constructor(batch: AnyBatch) {
    this.#batch = batch;
  }

  insert(_oid: number, bytes: Buffer, at: number, end: number): void {
    this.outcome = this.#batch.insert({ bytes, at, end });
  }

  update(_oid: number, bytes: Buffer, oldKind: OldKind, oldAt: number, at: number, end: number): void {
    this.outcome = this.#batch.update(oldKind, { bytes, at: oldAt, end }, { bytes, at, end });
  }

  delete(_oid: number, bytes: Buffer, oldKind: OldKind, at: number, end: number): void {
    this.outcome = this.#batch.delete(oldKind, { bytes, at, end });
  }

  truncate(): void {
    this.#batch.truncate();
  }

  begin(): void {}

  commit(): void {}

  relation(): void {}

  type(): void {}

  origin(): void {}

  message(): void {}
}
