/// <reference path="./agentd-agent-activity.d.ts" />
/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:agent/agent@1.0.0' {
  /**
   * What the sandbox must have. Called when the plugin or the entry's settings change, and by `agentd toolbox`. At
   * least 1 s. No effects. Failure: the agent cannot be used, and the operator is told.
   */
  export function needs(): Requirements;
  /**
   * How to start the agent for a run. Called once at the beginning of a run, and again in a replay. At least 1 s,
   * 256 MiB. No effects. `invalid` and `denied` (an endpoint that is not granted) end the run without costing an
   * attempt; the task waits with the error as its reason.
   */
  export function launch(run: Run): Plan;
  /**
   * Makes events of output. Called as lines come, with as many as there are: up to 1,000 lines or 1 MiB; a longer
   * line comes alone. The last line comes even if it has no end. What cannot be understood becomes a `note` or
   * nothing, never a trap: agents print banners, warnings, and lines broken into one another. At least 5 s a call,
   * of CPU too.
   */
  export function read(lines: Array<Line>): Progress;
  /**
   * Passes an order on to the agent. Called when a person gives one. At least 1 s. `unsupported`: the host then
   * offers to stop the run and begin a feedback run instead.
   */
  export function control(order: Order): Progress;
  /**
   * Judges how the run ended. Called once, after all output was read. At least 1 s. An exit code of 0 and the
   * words of success are not enough for `completed` with agents that end so when they failed. Failure by a trap:
   * the outcome is `failed`, with the end of standard error as answer.
   */
  export function conclude(exit: Exit): Conclusion;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Run = import('agentd:agent/activity@1.0.0').Run;
  export type Event = import('agentd:agent/activity@1.0.0').Event;
  export type Conclusion = import('agentd:agent/activity@1.0.0').Conclusion;
  /**
   * A program from a package registry. The host fetches it, checks it, and mounts it read-only into sandboxes, in
   * PATH.
   */
  export interface Tool {
    /**
     * The program's name: `claude`.
     */
    name: string,
    /**
     * `npm:@scope/name@1.2.3` or `pypi:name@1.2.3`: one version, and no other.
     */
    release: string,
    /**
     * For which machines this package is: `x86_64`, `aarch64`; none: for all.
     */
    arch?: string,
    /**
     * The program's file in the package's archive: it needs nothing else. None: the package is installed with
     * what it depends on, by its registry's own tool but without install scripts, and brings a program of that
     * name.
     */
    file?: string,
    /**
     * What it needs to run: `node >= 20`, `python >= 3.11`; none: nothing. Where the image lacks it, the host
     * adds a layer.
     */
    runtime?: string,
    /**
     * SHA-256 of the package's archive, in hex. None: what came the first time is pinned.
     */
    digest?: string,
    extra: Extra,
  }
  /**
   * What has to be in the sandbox for this agent.
   */
  export interface Requirements {
    /**
     * One for each program and kind of machine. Empty: the image is expected to have the agent.
     */
    tools: Array<Tool>,
    /**
     * A command that ends with 0 if the agent is there and usable; the first line that it writes is its version.
     * Also used for the executor `local`, and by `agentd doctor`.
     */
    check: Array<string>,
    /**
     * What it can do: `resume` (go on with a conversation), `say` and `interrupt` (see `control`), `mcp`,
     * `max-turns`, `max-cost`. Other words are ignored.
     */
    abilities: Array<string>,
    extra: Extra,
  }
  /**
   * A file to be written before the start.
   */
  export interface File {
    /**
     * Absolute; below `home`. Directories on the way are made.
     */
    path: string,
    content: string,
    executable: boolean,
    extra: Extra,
  }
  /**
   * How to start it.
   */
  export interface Plan {
    /**
     * The program and its arguments; no shell. The program is looked up in the sandbox's PATH. Linux allows 128
     * KiB for one argument: a prompt is better given by `stdin` or a file.
     */
    argv: Array<string>,
    /**
     * Added to the sandbox's own environment, over what is there.
     */
    env: Array<[string, string]>,
    /**
     * Older ones are overwritten.
     */
    files: Array<File>,
    /**
     * What it gets on its standard input at once. Empty, and `keep-stdin` false: `/dev/null`.
     */
    stdin: string,
    /**
     * Its standard input stays open for what `read` and `control` want to send.
     */
    keepStdin: boolean,
    /**
     * Globs below `home`: the files that hold the conversation. They are kept when the run ends, put back where
     * they were for later runs of this task, and people can fetch them. Nothing else below `home` is kept: leave
     * out caches and credentials.
     */
    sessionFiles: Array<string>,
    /**
     * Patterns as in `.gitignore` for what this agent leaves in the workspace and nobody wants in a commit.
     */
    litter: Array<string>,
    extra: Extra,
  }
  /**
   * A line of output.
   */
  export interface Line {
    /**
     * Without its end. Bytes that are not UTF-8 are replaced by U+FFFD.
     */
    text: string,
    /**
     * From standard error; else from standard output.
     */
    stderr: boolean,
    /**
     * It was longer than 16 MiB: this is its beginning, the rest is lost.
     */
    cut: boolean,
    extra: Extra,
  }
  /**
   * What came of some lines, or of an order.
   */
  export interface Progress {
    events: Array<Event>,
    /**
     * To be written to the agent's standard input; needs `keep-stdin`. Usually empty. The host stores it with
     * the events and writes it once, whatever is replayed.
     */
    send: string,
    /**
     * The agent has done its work and only waits for more: the host closes its input, gives it some seconds to
     * end, then ends it; its exit code means nothing then.
     */
    finished: boolean,
    extra: Extra,
  }
  /**
   * What somebody wants from the running agent.
   */
  export interface Order {
    /**
     * `say` (a person's words, in `text`) or `interrupt` (stop what you do, and wait). For an unknown word
     * return `unsupported`.
     */
    verb: string,
    text: string,
    extra: Extra,
  }
  /**
   * The end of the program.
   */
  export interface Exit {
    /**
     * As a shell sees it: 128 and the signal's number if a signal ended it; none: it never started.
     */
    code?: number,
    /**
     * Who ended it: `exited` (itself), `finished` (the plugin said so), `stopped` (a person), `interrupted` (the
     * host stops), `timeout`, `idle`, `tool-timeout`, `memory`, `disk`, `budget`, `start` (it never started).
     * Treat an unknown word like `timeout`. The host knows what to do with all but `exited` and `finished`: the
     * conclusion then matters for its `answer` and `session`.
     */
    cause: string,
    /**
     * The end of its standard error, at most 8 KiB.
     */
    stderr: string,
    extra: Extra,
  }
}
