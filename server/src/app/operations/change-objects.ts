// The operation `objects include|skip|pause|resume|restart`: writes the wish; whoever runs the pipeline carries it out.
import { formatObjectName } from '@millrace/contract/object-name';
import type { ObjectChange, ObjectStateName } from '@millrace/contract/report';
import type { ObjectAction, ObjectSelection } from '../../cli/operations.ts';
import { connect } from '../../db/connect.ts';
import { loadObjects } from '../../destination/state.ts';
import { hasState } from '../../destination/state-install.ts';
import type { ObjectRecord } from '../../destination/state-records.ts';
import { requestObjectChange } from '../../destination/state-requests.ts';
import { MillraceError } from '../../model/error.ts';
import { type ObjectEvent, transition } from '../../model/object-state.ts';
import { objectLabel } from '../../model/table.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import type { PipelineSettings } from '../config/settings.ts';

/**
 * Asks for the change of the named objects, or of all that it is possible for. Throws `object_unknown`, and `transition_refused` where a
 * named object can't do that in its state; then nothing is changed.
 */
export async function changeObjects(
  settings: PipelineSettings,
  action: ObjectAction,
  selection: ObjectSelection,
): Promise<readonly ObjectChange[]> {
  const session = await connect(settings.destination.connection, { applicationName: 'millrace objects', side: 'destination' });
  try {
    const installed = await hasState(session, 'upgrade');
    const records = installed ? await loadObjects(session, settings.name) : [];
    const chosen = choose(records, selection, settings.name);
    const possible = chosen.filter((record) => isPossible(record, action));
    const refused = chosen.find((record) => !possible.includes(record));
    if (selection !== 'all' && refused !== undefined) throw refusedChange(refused, action);
    await requestObjectChange(session, settings.name, { change: action, objects: possible.map((record) => record.source) });
    const after = new Map((await loadObjects(session, settings.name)).map((record) => [objectLabel(record.source), record]));
    return possible.map((record) => ({
      object: formatObjectName({ schema: record.source.schema, name: record.source.name }),
      before: record.state,
      after: expectedState(record, action, after.get(objectLabel(record.source))),
    }));
  } finally {
    await session.close();
  }
}

function choose(records: readonly ObjectRecord[], selection: ObjectSelection, pipeline: string): readonly ObjectRecord[] {
  if (selection === 'all') return records;
  return selection.map((name) => {
    const record = records.find((candidate) => sameName(candidate.source, name));
    if (record !== undefined) return record;
    throw new MillraceError('object_unknown', {
      cause: `pipeline ${JSON.stringify(pipeline)} has no object ${objectLabel(name)}`,
      object: objectLabel(name),
    });
  });
}

function isPossible(record: ObjectRecord, action: ObjectAction): boolean {
  return transition(record.state, EVENT_OF_ACTION[action]) !== 'illegal';
}

/** The state that the object will have once the pipeline has seen the wish. */
function expectedState(before: ObjectRecord, action: ObjectAction, after: ObjectRecord | undefined): ObjectStateName {
  const next = transition(before.state, EVENT_OF_ACTION[action]);
  return next === 'ignore' || next === 'illegal' ? (after?.state ?? before.state) : next;
}

const EVENT_OF_ACTION: Readonly<Record<ObjectAction, ObjectEvent>> = {
  include: 'include',
  skip: 'skip',
  pause: 'pause',
  resume: 'resume',
  restart: 'restart',
};

function refusedChange(record: ObjectRecord, action: ObjectAction): MillraceError {
  const label = objectLabel(record.source);
  return new MillraceError('transition_refused', { cause: `${label} is ${record.state}, so it can't ${action}`, object: label });
}

function sameName(a: QualifiedName, b: QualifiedName): boolean {
  return a.schema === b.schema && a.name === b.name;
}
