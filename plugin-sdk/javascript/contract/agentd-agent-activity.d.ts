/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:agent/activity@1.0.0' {
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Task = import('agentd:types/work@1.0.0').Task;
  /**
   * A model provider, as the sandbox sees it.
   */
  export interface Endpoint {
    /**
     * The name in the plugin's `model-want`.
     */
    name: string,
    /**
     * The language that is spoken there, one of the `model-want`'s.
     */
    api: string,
    /**
     * `http://127.0.0.1:PORT/main`: its base URL in the sandbox, without a slash at the end. What the provider
     * expects below its own base URL is expected below this one.
     */
    url: string,
    /**
     * What the agent has to use as its key. Not the provider's: it is good for this run and this endpoint only.
     */
    token: string,
    extra: Extra,
  }
  /**
   * A server of the Model Context Protocol that the agent may use (streamable HTTP).
   */
  export interface McpServer {
    name: string,
    url: string,
    /**
     * To be sent with every request.
     */
    headers: Array<[string, string]>,
    extra: Extra,
  }
  /**
   * One run of an agent: what it is to do, and where. Paths are absolute, as the agent will see them.
   */
  export interface Run {
    /**
     * Unique, the same in each repetition.
     */
    id: string,
    task: Task,
    /**
     * As in `agentd:prompt-template`: `execute`, `feedback`, …
     */
    purpose: string,
    /**
     * What to tell the agent; at most 1 MiB.
     */
    prompt: string,
    /**
     * To be added to the agent's system prompt, where it has one; else put it before the prompt.
     */
    system?: string,
    /**
     * The conversation to go on with: `conclusion.session` of an earlier run of this task. None: begin a new
     * one.
     */
    resume?: string,
    /**
     * A fresh UUID, for agents that let their caller name a new conversation.
     */
    newSession: string,
    /**
     * The model that was asked for; none: the settings', or the agent's own default.
     */
    model?: string,
    /**
     * The checkout: the working directory.
     */
    workspace: string,
    branch: string,
    base: string,
    /**
     * The commit to start from.
     */
    baseCommit: string,
    /**
     * A directory of this run alone, on disk: its `HOME`, for configuration, caches and conversations. Empty,
     * except for what an earlier run of this task kept (`plan.session-files`), and gone after the run.
     */
    home: string,
    endpoints: Array<Endpoint>,
    mcpServers: Array<McpServer>,
    /**
     * Limits that the agent should keep by itself where it can. The host keeps its own, whatever the agent does.
     */
    maxTurns?: number,
    maxMicrousd?: number,
    maxDurationMs?: number,
    /**
     * It runs in a sandbox: the agent's own questions for permission and its own sandbox only stand in the way.
     * False with the executor `local`.
     */
    sandboxed: boolean,
    extra: Extra,
  }
  /**
   * The agent has begun. May come more than once in a run: the last one counts.
   */
  export interface Started {
    /**
     * Its conversation's id, as soon as it is known; kept in case that there is no conclusion.
     */
    session?: string,
    model?: string,
    /**
     * The program's version.
     */
    version?: string,
    extra: Extra,
  }
  /**
   * Something that the agent says.
   */
  export interface Message {
    text: string,
    /**
     * It says it to itself.
     */
    thinking: boolean,
    /**
     * Only a piece of a message: the next `message` event of the same agent goes on with it. Better join small
     * pieces before you give them.
     */
    partial: boolean,
    extra: Extra,
  }
  /**
   * The agent begins to use a tool.
   */
  export interface ToolCall {
    /**
     * Unique in the run. The host pairs it with the result, and measures how long it takes.
     */
    id: string,
    /**
     * The agent's own name for the tool: `Bash`, `write_file`, `mcp__agentd__ask`.
     */
    name: string,
    /**
     * Its arguments: JSON.
     */
    input: string,
    extra: Extra,
  }
  /**
   * A tool is done.
   */
  export interface ToolResult {
    /**
     * That of the call.
     */
    id: string,
    failed: boolean,
    /**
     * What the agent got to see of it.
     */
    output: string,
    extra: Extra,
  }
  /**
   * What a count of usage spans.
   * # Variants
   *
   * ## `"run"`
   *
   * This run, from its start.
   * ## `"session"`
   *
   * The whole conversation, with the runs before: the host subtracts what it knew when this run began.
   */
  export type UsageScope = 'run' | 'session';
  /**
   * What the agent says it has used. Always a total since the start of its scope, never an addition: a later event
   * with the same model and scope replaces the earlier one. For people and for comparison; what counts is what the
   * gateway meters.
   */
  export interface Usage {
    /**
     * Empty: the agent does not say.
     */
    model: string,
    scope: UsageScope,
    /**
     * Tokens read at the full price: without those of the cache.
     */
    inputTokens: number,
    /**
     * Tokens written, thinking included.
     */
    outputTokens: number,
    cacheReadTokens: number,
    cacheWriteTokens: number,
    /**
     * None: the agent does not say.
     */
    costMicrousd?: number,
    extra: Extra,
  }
  /**
   * News of the provider's usage window (a subscription's five hours, for example).
   */
  export interface Window {
    /**
     * Which, in the provider's words: `five_hour`; may be empty.
     */
    name: string,
    /**
     * It is used up: the host stops starting runs on this account, and parks this one.
     */
    exhausted: boolean,
    /**
     * When it opens again.
     */
    resetsAt?: Timestamp,
    extra: Extra,
  }
  /**
   * How much a notice matters.
   * # Variants
   *
   * ## `"info"`
   *
   * ## `"warning"`
   *
   * ## `"error"`
   */
  export type Weight = 'info' | 'warning' | 'error';
  /**
   * Anything that people should see: a retry, a refused permission, a server that could not be reached.
   */
  export interface Notice {
    weight: Weight,
    /**
     * One word for counting: `retry`, `permission-denied`, `question` (the agent asks where nobody can answer),
     * `mcp-failed`, `compacted`, `refusal`, …
     */
    code: string,
    text: string,
    extra: Extra,
  }
  /**
   * Something else, kept as it is.
   */
  export interface Note {
    /**
     * What it is, in the agent's words.
     */
    kind: string,
    /**
     * JSON, or plain text.
     */
    content: string,
    extra: Extra,
  }
  /**
   * What can happen in a run.
   */
  export type Happening = HappeningStarted | HappeningMessage | HappeningToolCall | HappeningToolResult | HappeningUsage | HappeningWindow | HappeningNotice | HappeningOther;
  export interface HappeningStarted {
    tag: 'started',
    val: Started,
  }
  export interface HappeningMessage {
    tag: 'message',
    val: Message,
  }
  export interface HappeningToolCall {
    tag: 'tool-call',
    val: ToolCall,
  }
  export interface HappeningToolResult {
    tag: 'tool-result',
    val: ToolResult,
  }
  export interface HappeningUsage {
    tag: 'usage',
    val: Usage,
  }
  export interface HappeningWindow {
    tag: 'window',
    val: Window,
  }
  export interface HappeningNotice {
    tag: 'notice',
    val: Notice,
  }
  export interface HappeningOther {
    tag: 'other',
    val: Note,
  }
  /**
   * Something that happened in a run. The host adds time and number, and cuts any text that is longer than 256
   * KiB: cut long ones yourself, it saves copying.
   */
  export interface Event {
    happening: Happening,
    /**
     * Which of several agents it was: the id of the tool call that started a sub-agent, or a name. None: the
     * main one.
     */
    agent?: string,
    extra: Extra,
  }
  /**
   * How a run ended, as far as the agent is concerned.
   */
  export type Outcome = OutcomeCompleted | OutcomeEmpty | OutcomeUnreachable | OutcomeRateLimited | OutcomeUnauthorized | OutcomeMisconfigured | OutcomeTurnLimit | OutcomeBudget | OutcomeRefused | OutcomeSessionLost | OutcomeSessionBroken | OutcomeInterrupted | OutcomeFailed | OutcomeOther;
  /**
   * The agent says that it is done. agentd then looks for itself.
   */
  export interface OutcomeCompleted {
    tag: 'completed',
  }
  /**
   * It ended properly, without an answer or any work: a fault of the installation more often than of the task.
   */
  export interface OutcomeEmpty {
    tag: 'empty',
  }
  /**
   * It went wrong on the way to the model (network, overload, 5xx): try again, and go on with the
   * conversation.
   */
  export interface OutcomeUnreachable {
    tag: 'unreachable',
  }
  /**
   * A limit on use is reached: park until then, cost no attempt.
   */
  export interface OutcomeRateLimited {
    tag: 'rate-limited',
    val: Timestamp | undefined,
  }
  /**
   * The credential was refused: a person has to act.
   */
  export interface OutcomeUnauthorized {
    tag: 'unauthorized',
  }
  /**
   * The agent refused its arguments, its configuration, or the model's name: a person has to act.
   */
  export interface OutcomeMisconfigured {
    tag: 'misconfigured',
  }
  /**
   * It stopped at `max-turns`.
   */
  export interface OutcomeTurnLimit {
    tag: 'turn-limit',
  }
  /**
   * It stopped at `max-microusd`.
   */
  export interface OutcomeBudget {
    tag: 'budget',
  }
  /**
   * The model declined to do this.
   */
  export interface OutcomeRefused {
    tag: 'refused',
  }
  /**
   * The conversation to go on with is not there: try again with a new one, at no cost.
   */
  export interface OutcomeSessionLost {
    tag: 'session-lost',
  }
  /**
   * The conversation cannot go on (too long, a message that is rejected every time): try again with a new one.
   */
  export interface OutcomeSessionBroken {
    tag: 'session-broken',
  }
  /**
   * Somebody stopped it.
   */
  export interface OutcomeInterrupted {
    tag: 'interrupted',
  }
  /**
   * It crashed, or gave up: an attempt that failed.
   */
  export interface OutcomeFailed {
    tag: 'failed',
  }
  /**
   * A word of your own for the operator; treated as `failed`.
   */
  export interface OutcomeOther {
    tag: 'other',
    val: string,
  }
  /**
   * What is to be said about a run at its end.
   */
  export interface Conclusion {
    outcome: Outcome,
    /**
     * For people, and for the next prompt: the agent's last answer, or what went wrong.
     */
    answer: string,
    /**
     * The conversation that a later run may go on with. None: there is none, or it should not. Never a new id
     * that the agent made up because it could not find the one to resume.
     */
    session?: string,
    /**
     * What was held back until now: a message whose end never came.
     */
    events: Array<Event>,
    /**
     * Keys of 1.0: `turns` (how many rounds the agent made).
     */
    extra: Extra,
  }
}
