// Which exit code a command's outcome has. Pure; the codes' meanings are in `ExitCode`.
import type { ExitCode, PipelineOutcome, SubjectFinding, VerifyReport } from '@millrace/contract/report';

/** When several things went wrong, the one that needs a person most decides. */
const URGENCY: readonly ExitCode[] = [0, 4, 3, 2, 1, 5];

/** The most urgent of several codes; 0 for none. */
export function worst(codes: readonly ExitCode[]): ExitCode {
  return codes.reduce<ExitCode>((a, b) => (URGENCY.indexOf(b) > URGENCY.indexOf(a) ? b : a), 0);
}

/** A run's code: a pipeline's own error, else 4 when one of its objects failed. */
export function exitOfRun(outcomes: readonly PipelineOutcome[]): ExitCode {
  return worst(
    outcomes.map(({ error, status }) => {
      if (error !== null) return error.exit;
      return status?.objects.some((object) => object.state === 'failed') === true ? 4 : 0;
    }),
  );
}

/** A check's code: 3 when a server or pipeline fails, 4 when only single objects do; warnings pass. */
export function exitOfCheck(findings: readonly SubjectFinding[]): ExitCode {
  const failed = findings.filter((finding) => finding.status === 'fail');
  return worst(failed.map((finding) => (finding.object === null ? 3 : 4)));
}

/** A verification's code: 4 when an object differs or could not be compared. */
export function exitOfVerify(reports: readonly VerifyReport[]): ExitCode {
  return reports.every(isEqual) ? 0 : 4;
}

/** Whether both sides hold the same rows, for certain. */
export function isEqual(report: VerifyReport): boolean {
  return report.unverified === null && report.missing === 0 && report.extra === 0 && report.different === 0;
}
