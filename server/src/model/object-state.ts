// The states of an object and the one total table of what may follow what. Nothing else decides a transition.

/**
 * - `pending`: included, its historical load has not begun. Set by inclusion and by restart.
 * - `copying`: the historical load runs; stream changes of the object are kept aside.
 * - `catching_up`: the copy is complete; changes kept aside are being applied.
 * - `streaming`: the object is part of every destination transaction.
 * - `refreshed`: its rows are those of its last full refresh; no change is streamed, and nothing says how old they are at the source.
 * - `skipped`: not wanted (by configuration or by an operator); nothing is applied.
 * - `paused`: an operator halted it; its changes are kept in the source's slot until it is resumed.
 * - `failed`: an error of this object alone; the others go on. `objects restart` or mending the cause ends it.
 * - `ineligible`: the relation can't be replicated; the reason says why.
 */
export type ObjectState =
  | 'pending'
  | 'copying'
  | 'catching_up'
  | 'streaming'
  | 'refreshed'
  | 'skipped'
  | 'paused'
  | 'failed'
  | 'ineligible';

export type ObjectEvent =
  | 'copy_started'
  | 'copy_finished'
  | 'caught_up'
  | 'refresh_finished'
  | 'error'
  | 'include'
  | 'skip'
  | 'pause'
  | 'resume'
  | 'restart'
  | 'became_ineligible'
  | 'no_history';

type Outcome = ObjectState | 'ignore' | 'illegal';

/** Every state with every event: the state that follows, `ignore`, or `illegal` (a bug or a refused command). */
export const TRANSITIONS: Readonly<Record<ObjectState, Readonly<Record<ObjectEvent, Outcome>>>> = {
  pending: {
    copy_started: 'copying',
    copy_finished: 'illegal',
    caught_up: 'illegal',
    refresh_finished: 'illegal',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'paused',
    resume: 'ignore',
    restart: 'ignore',
    became_ineligible: 'ineligible',
    no_history: 'streaming',
  },
  copying: {
    copy_started: 'copying',
    copy_finished: 'catching_up',
    caught_up: 'illegal',
    refresh_finished: 'refreshed',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'paused',
    resume: 'ignore',
    restart: 'pending',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  catching_up: {
    copy_started: 'illegal',
    copy_finished: 'ignore',
    caught_up: 'streaming',
    refresh_finished: 'illegal',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'paused',
    resume: 'ignore',
    restart: 'pending',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  streaming: {
    copy_started: 'illegal',
    copy_finished: 'illegal',
    caught_up: 'ignore',
    refresh_finished: 'illegal',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'paused',
    resume: 'ignore',
    restart: 'pending',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  refreshed: {
    copy_started: 'copying',
    copy_finished: 'illegal',
    caught_up: 'illegal',
    refresh_finished: 'ignore',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'paused',
    resume: 'ignore',
    restart: 'pending',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  skipped: {
    copy_started: 'illegal',
    copy_finished: 'illegal',
    caught_up: 'illegal',
    refresh_finished: 'illegal',
    error: 'ignore',
    include: 'pending',
    skip: 'ignore',
    pause: 'illegal',
    resume: 'illegal',
    restart: 'illegal',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  paused: {
    copy_started: 'illegal',
    copy_finished: 'illegal',
    caught_up: 'illegal',
    refresh_finished: 'illegal',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'ignore',
    resume: 'catching_up',
    restart: 'pending',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  failed: {
    copy_started: 'illegal',
    copy_finished: 'illegal',
    caught_up: 'illegal',
    refresh_finished: 'illegal',
    error: 'failed',
    include: 'ignore',
    skip: 'skipped',
    pause: 'ignore',
    resume: 'catching_up',
    restart: 'pending',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
  ineligible: {
    copy_started: 'illegal',
    copy_finished: 'illegal',
    caught_up: 'illegal',
    refresh_finished: 'illegal',
    error: 'ignore',
    include: 'pending',
    skip: 'skipped',
    pause: 'illegal',
    resume: 'illegal',
    restart: 'illegal',
    became_ineligible: 'ineligible',
    no_history: 'illegal',
  },
};

/** The state after `event`, or what the table says of it. */
export function transition(state: ObjectState, event: ObjectEvent): Outcome {
  return TRANSITIONS[state][event];
}
