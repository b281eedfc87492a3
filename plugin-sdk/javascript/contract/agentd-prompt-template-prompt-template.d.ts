/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:prompt-template/prompt-template@1.0.0' {
  /**
   * Makes the prompt of a run. Called once before each run. At least 5 s, 1 s of CPU, 256 MiB. The same request
   * and settings give the same prompt; it is stored with the run. A variable that does not exist is an `invalid`
   * (and better found by `check`). Failure: the task waits with the error as its reason, until the plugin or its
   * settings change.
   */
  export function render(request: Request): Prompt;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Person = import('agentd:types/work@1.0.0').Person;
  export type Comment = import('agentd:types/work@1.0.0').Comment;
  export type Location = import('agentd:types/work@1.0.0').Location;
  export type Task = import('agentd:types/work@1.0.0').Task;
  /**
   * A check that did not pass.
   */
  export interface Failure {
    /**
     * `gate` (a command of the operator's), `check` (of the forge), `conflict` (with the base branch), `verify`
     * (what agentd demands of a change), `agent` (it gave up). Treat an unknown word like `gate`.
     */
    kind: string,
    /**
     * `cargo test`, `build (ubuntu)`.
     */
    name: string,
    exitCode?: number,
    /**
     * The part of the output that matters, at most 32 KiB; untrusted.
     */
    output: string,
    /**
     * It failed in the same way before.
     */
    repeated: boolean,
    extra: Extra,
  }
  /**
   * What is known.
   */
  export interface Request {
    /**
     * What the run is for: `execute`, `feedback` (people said something), `ci-fix` (checks of the forge fail),
     * `retry` (gates failed), `fallback` (the last try: ask for the simplest thing that could do), `rebase`,
     * `plan` (only a plan is wanted), `review` (of somebody else's change). For an unknown word return
     * `unsupported`: the host then asks for `execute`.
     */
    purpose: string,
    task: Task,
    /**
     * The task's text; untrusted.
     */
    body: string,
    /**
     * The discussion before the task began, oldest first; untrusted.
     */
    comments: Array<Comment>,
    /**
     * What a person who may start work asked for beyond the text; trusted.
     */
    instructions?: string,
    locations: Array<Location>,
    /**
     * What people said since the last run: the reason for a `feedback` run; untrusted.
     */
    feedback: Array<Comment>,
    /**
     * The reason for a `ci-fix`, `retry`, `fallback` or `rebase`.
     */
    failures: Array<Failure>,
    /**
     * The run's number, and how many more of its kind the task may have after it.
     */
    run: number,
    runsLeft: number,
    /**
     * The agent goes on in its earlier conversation and knows what it was told there: say only what is new.
     * Otherwise it knows nothing.
     */
    resumed: boolean,
    /**
     * What the last run said at its end; untrusted.
     */
    lastAnswer?: string,
    /**
     * Where the agent finds the checkout.
     */
    workspace: string,
    branch: string,
    base: string,
    /**
     * The commands that have to pass, as people would type them.
     */
    gates: Array<string>,
    extra: Extra,
  }
  /**
   * Text that the agent shall read and not obey.
   */
  export interface Quote {
    /**
     * What it is, for the agent: `issue body`, `review comment on src/main.rs:14`, `output of cargo test`.
     */
    label: string,
    author?: Person,
    text: string,
    extra: Extra,
  }
  /**
   * Parts are joined by blank lines.
   */
  export type Part = PartText | PartQuote;
  /**
   * The template's own words. Never put untrusted text in here: the host looks for the longer untrusted texts
   * of the request in it, and refuses the prompt if it finds one.
   */
  export interface PartText {
    tag: 'text',
    val: string,
  }
  /**
   * Somebody else's words. The host fences them so that nothing in them can end the fence, and says whose they
   * are.
   */
  export interface PartQuote {
    tag: 'quote',
    val: Quote,
  }
  /**
   * The words.
   */
  export interface Prompt {
    /**
     * What goes into the agent's system prompt, beside what the host puts there itself; none: nothing.
     */
    system?: string,
    parts: Array<Part>,
    extra: Extra,
  }
}
