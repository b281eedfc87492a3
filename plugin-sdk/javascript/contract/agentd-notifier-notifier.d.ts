/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:notifier/notifier@1.0.0' {
  /**
   * Tells people. Which events go to which entry, quiet hours and digests are the host's business: what arrives
   * here is to be told. Called through the outbox: at least once for each message; use `message.id` where the
   * other side can tell repetitions by it. At least 30 s. Calls for one entry may overlap.
   *
   * Failure: `unavailable`, `rate-limited` and `other` are repeated for a day with growing pauses, and other
   * errors give the message up and raise an event, which goes to the other notifiers.
   */
  export function notify(message: Message): Array<Edit>;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Task = import('agentd:types/work@1.0.0').Task;
  export type Edit = import('agentd:types/work@1.0.0').Edit;
  /**
   * # Variants
   *
   * ## `"info"`
   *
   * Good to know.
   * ## `"warning"`
   *
   * Somebody should look when there is time.
   * ## `"urgent"`
   *
   * Somebody is needed now.
   */
  export type Severity = 'info' | 'warning' | 'urgent';
  /**
   * A line of agentd's event log, made readable.
   */
  export interface Event {
    /**
     * Unique in this agentd, for ever: a number that grows, as text.
     */
    id: string,
    /**
     * `task.queued`, `task.in-review`, `task.failed`, `run.question`, `budget.reached`, `plugin.failed`, … in
     * the form noun dot what happened. Treat an unknown word by its severity.
     */
    kind: string,
    severity: Severity,
    at: Timestamp,
    /**
     * One line of plain text that can stand alone. Parts of it are untrusted.
     */
    title: string,
    /**
     * Markdown; may be empty. Parts of it are untrusted.
     */
    text: string,
    /**
     * The task as it was then.
     */
    task?: Task,
    /**
     * Where a person can see more: agentd's own page.
     */
    url?: string,
    /**
     * All data of the event: a JSON object, whose keys the reference of event kinds names.
     */
    details: string,
    extra: Extra,
  }
  /**
   * One or more events to be told together.
   */
  export interface Message {
    /**
     * A UUID: the same in each repetition of this message, different for every other one.
     */
    id: string,
    /**
     * Oldest first. One, or several that the operator wants together (a digest).
     */
    events: Array<Event>,
    digest: boolean,
    extra: Extra,
  }
}
