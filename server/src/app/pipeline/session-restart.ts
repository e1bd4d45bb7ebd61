// Says that a session has to begin again although nothing is wrong: something that it was built on has changed.

export class SessionRestart extends Error {
  override readonly name = 'SessionRestart';
}
