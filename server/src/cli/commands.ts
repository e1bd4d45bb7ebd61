// What each command does: asks the operations, prints the report, gives the exit code.
import { isObjectNameProblem, type ObjectName, parseObjectName } from '@millrace/contract/object-name';
import type { DemoReport, ExitCode, RunReport } from '@millrace/contract/report';
import type { RunEvent, RunLine } from '@millrace/contract/run-event';
import { type CliContext, UsageError } from './context.ts';
import { errorText } from './error-text.ts';
import { exitOfCheck, exitOfRun, exitOfVerify, worst } from './exit-code.ts';
import { startLiveView } from './live.ts';
import { logText } from './log-text.ts';
import type { CheckOptions, LogLevel, ObjectAction, ObjectSelection, Operations, PipelineOption, RunOptions } from './operations.ts';
import { changesText, checkText, discoverText, dropText, objectsText, planText, statusText, verifyText } from './report-text.ts';
import { withStop } from './stop.ts';
import { createPaint, type Paint, printable } from './terminal-text.ts';

/** The options that every command has. */
export interface GlobalOptions {
  readonly json: boolean;
  readonly logLevel: LogLevel;
}

/** One method per command; each resolves with the exit code and throws what the operation throws. */
export class Commands {
  readonly #context: CliContext;
  readonly #global: GlobalOptions;
  readonly #paint: Paint;
  readonly #talkPaint: Paint;

  constructor(context: CliContext, global: GlobalOptions) {
    this.#context = context;
    this.#global = global;
    this.#paint = createPaint(context.stdout.isTty && !context.noColor);
    this.#talkPaint = createPaint(context.stderr.isTty && !context.noColor);
  }

  async demo(options: { readonly once: boolean }): Promise<ExitCode> {
    return this.#stream((operations, onEvent, signal) => operations.demo(options, onEvent, signal));
  }

  async run(options: RunOptions): Promise<ExitCode> {
    return this.#stream((operations, onEvent, signal) => operations.run(options, onEvent, signal));
  }

  async check(options: CheckOptions): Promise<ExitCode> {
    const findings = await this.#ask((operations, signal) => operations.check(options, signal));
    this.#print({ findings }, () => checkText(findings, this.#paint));
    return exitOfCheck(findings);
  }

  async discover(options: { readonly file: string; readonly source: string }): Promise<ExitCode> {
    const objects = await this.#ask((operations, signal) => operations.discover(options, signal));
    this.#print({ objects }, () => discoverText(objects, this.#paint));
    return 0;
  }

  async listObjects(options: PipelineOption): Promise<ExitCode> {
    const objects = await this.#ask((operations, signal) => operations.listObjects(options, signal));
    this.#print({ objects }, () => objectsText(objects, this.#paint));
    return 0;
  }

  async changeObjects(action: ObjectAction, options: PipelineOption, objects: ObjectSelection): Promise<ExitCode> {
    const changes = await this.#ask((operations, signal) => operations.changeObjects(action, options, objects, signal));
    this.#print({ changes }, () => changesText(changes, this.#paint));
    return 0;
  }

  async verify(options: PipelineOption, objects: ObjectSelection): Promise<ExitCode> {
    const reports = await this.#ask((operations, signal) => operations.verify(options, objects, signal));
    this.#print({ objects: reports }, () => verifyText(reports, this.#paint));
    return exitOfVerify(reports);
  }

  async status(options: { readonly file: string; readonly pipeline: string | null }): Promise<ExitCode> {
    const pipelines = await this.#ask((operations, signal) => operations.status(options, signal));
    this.#print({ pipelines }, () => statusText(pipelines, this.#paint));
    return 0;
  }

  async plan(options: PipelineOption): Promise<ExitCode> {
    const objects = await this.#ask((operations, signal) => operations.plan(options, signal));
    this.#print({ objects }, () => planText(objects));
    return 0;
  }

  async drop(options: PipelineOption): Promise<ExitCode> {
    const report = await this.#ask((operations, signal) => operations.drop(options, signal));
    this.#print(report, () => dropText(report));
    return 0;
  }

  /** A command with one answer. */
  async #ask<T>(work: (operations: Operations, signal: AbortSignal) => Promise<T>): Promise<T> {
    const talk = (line: string): void => this.#context.stderr.write(`${line}\n`);
    const operations = this.#context.createOperations({ logLevel: this.#global.logLevel, writeLog: (line) => talk(this.#logLine(line)) });
    return withStop(this.#context, talk, (signal) => work(operations, signal));
  }

  /** A command that works until it is done or stopped, and reports meanwhile. */
  async #stream(
    work: (operations: Operations, onEvent: (event: RunEvent) => void, signal: AbortSignal) => Promise<RunReport | DemoReport>,
  ): Promise<ExitCode> {
    if (this.#global.json) return this.#streamJson(work);
    const view = startLiveView(this.#context.stderr, this.#talkPaint, this.#context.now);
    let report: RunReport | DemoReport | null = null;
    try {
      const operations = this.#context.createOperations({
        logLevel: this.#global.logLevel,
        writeLog: (line) => view.print(this.#logLine(line)),
      });
      report = await withStop(this.#context, view.print, (signal) => work(operations, view.onEvent, signal));
    } finally {
      view.stop(report === null ? 'keep' : 'clear');
    }
    this.#printRun(report);
    return exitOfReport(report);
  }

  async #streamJson(
    work: (operations: Operations, onEvent: (event: RunEvent) => void, signal: AbortSignal) => Promise<RunReport | DemoReport>,
  ): Promise<ExitCode> {
    const writeLine = (line: RunLine): void => this.#context.stdout.write(`${JSON.stringify(line)}\n`);
    const report = await this.#ask((operations, signal) => work(operations, writeLine, signal));
    const exit = exitOfReport(report);
    writeLine({ type: 'done', time: new Date(this.#context.now()).toISOString(), exit, report });
    return exit;
  }

  #printRun(report: RunReport | DemoReport): void {
    const statuses = report.pipelines.map((outcome) => outcome.status).filter((status) => status !== null);
    this.#printLines(statusText(statuses, this.#paint));
    if ('verified' in report && report.verified !== null) this.#printLines(['', ...verifyText(report.verified, this.#paint)]);
    for (const { pipeline, error } of report.pipelines) {
      if (error !== null) this.#context.stderr.write(`${printable(pipeline)}: ${errorText(error, this.#talkPaint)}\n`);
    }
  }

  #print(document: object, lines: () => readonly string[]): void {
    if (this.#global.json) this.#context.stdout.write(`${JSON.stringify(document)}\n`);
    else this.#printLines(lines());
  }

  #printLines(lines: readonly string[]): void {
    if (lines.length > 0) this.#context.stdout.write(`${lines.join('\n')}\n`);
  }

  /** People on a terminal read text; files and collectors get the JSON that the logger made. */
  #logLine(line: string): string {
    return this.#context.stderr.isTty && !this.#global.json ? logText(line, this.#talkPaint) : line;
  }
}

function exitOfReport(report: RunReport | DemoReport): ExitCode {
  const verified = 'verified' in report && report.verified !== null ? exitOfVerify(report.verified) : 0;
  return worst([exitOfRun(report.pipelines), verified]);
}

/** Reads OBJECT arguments; throws a `UsageError` on what is no name. */
export function parseObjects(texts: readonly string[]): readonly ObjectName[] {
  return texts.map((text) => {
    const parsed = parseObjectName(text);
    if (isObjectNameProblem(parsed)) throw new UsageError(parsed.message, parsed.hint);
    return parsed;
  });
}
