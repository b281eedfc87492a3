/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:task-source/task-source@1.0.0' {
  /**
   * Finds work. Called at the entry's interval (30 s unless configured, with jitter), soon after `receipt.poll`,
   * and by `agentd source poll`. At least 60 s, 2 s of CPU, 256 MiB. At most 1,000 items a call: use `more`.
   *
   * Failure: nothing is stored and the cursor stays. Pauses between failing polls grow to 15 minutes; tasks that
   * are known go on meanwhile. To skip one bad item, log it and go on.
   */
  export function poll(request: PollRequest): Intake;
  /**
   * Finds what people said to tasks that run, wait or are in review. Called like `poll`, while there are such
   * tasks. A source that has nothing of the kind returns no remarks and no cursor. Comments on a task's issue are
   * the source's business. Reviews and comments on its pull request reach the agent without any plugin: return
   * such a comment only if there is a command in it.
   */
  export function feedback(request: FeedbackRequest): FeedbackPage;
  /**
   * Reads a webhook delivery. Called for entries whose plugin wants `webhook`, in the order of arrival, after the
   * delivery is stored and answered; repeated like other failing calls, for a day. At least 10 s. A webhook is a
   * hint: what it missed or brought twice, polling sets right. Others return `unsupported`.
   */
  export function receive(delivery: Delivery): Receipt;
  /**
   * Tells of a change. Called through the outbox: at least once for each update, in order for each task. What is
   * to be written on the forge is returned and done by the host exactly once; what the plugin does itself by
   * `http` should be harmless when done twice (look first, or use `update.id`). At least 30 s.
   *
   * The update from `queued` to `running` comes *before* the run starts, and the run starts when it has succeeded
   * and its edits are done: this is where a source takes its lock (a status, a label). `conflict` or `not-found`
   * withdraw the task. Failure of other updates holds up nothing else; they are repeated for a day.
   */
  export function report(update: Update): Array<Edit>;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Draft = import('agentd:types/work@1.0.0').Draft;
  export type Comment = import('agentd:types/work@1.0.0').Comment;
  export type Thread = import('agentd:types/work@1.0.0').Thread;
  export type Task = import('agentd:types/work@1.0.0').Task;
  export type Edit = import('agentd:types/work@1.0.0').Edit;
  /**
   * Work that is none (any more).
   */
  export interface Withdrawal {
    key: string,
    /**
     * For people: `closed as not planned by ann`.
     */
    reason: string,
    extra: Extra,
  }
  /**
   * What the host has to know about a piece of work.
   */
  export type Item = ItemWork | ItemWithdrawn;
  /**
   * It is work, and this is how it stands now. New: a task is made. Known: the task is brought up to date; a
   * run that works on it hears of it by a feedback run, or is started anew, as the operator configured.
   */
  export interface ItemWork {
    tag: 'work',
    val: Draft,
  }
  /**
   * It is work no longer: closed, deleted, no longer labelled, taken by somebody else. A queued task is
   * cancelled, a running one stopped and cancelled; one in review keeps its change, and people are told,
   * unless the operator configured otherwise. Keys that the host does not know, or that are already over, are
   * ignored: so report whatever does not qualify.
   */
  export interface ItemWithdrawn {
    tag: 'withdrawn',
    val: Withdrawal,
  }
  /**
   * Where to go on.
   */
  export interface PollRequest {
    /**
     * What the last successful poll of this entry gave; none: this is the first.
     */
    cursor?: string,
    extra: Extra,
  }
  /**
   * What a poll found.
   */
  export interface Intake {
    items: Array<Item>,
    /**
     * `items` holds all the work that there is: tasks of this entry that are missing in it are withdrawn. For
     * sources that are cheap to list as a whole.
     */
    complete: boolean,
    /**
     * Where the next poll goes on; stored together with the items, in one transaction. At most 64 KiB. None: it
     * stays as it is.
     */
    cursor?: string,
    /**
     * There is more: poll again at once, with the new cursor. Not together with `complete`.
     */
    more: boolean,
    extra: Extra,
  }
  /**
   * Where to go on, and what for.
   */
  export interface FeedbackRequest {
    /**
     * What the last successful call gave; none: this is the first.
     */
    cursor?: string,
    /**
     * The tasks of this entry that feedback is wanted for: `running`, `waiting` and `in-review`.
     */
    tasks: Array<Task>,
    extra: Extra,
  }
  /**
   * Which task a remark is about.
   */
  export type Target = TargetKey | TargetId | TargetThread;
  /**
   * Its key in this entry.
   */
  export interface TargetKey {
    tag: 'key',
    val: string,
  }
  /**
   * Its id.
   */
  export interface TargetId {
    tag: 'id',
    val: string,
  }
  /**
   * The issue or pull request that it came from or led to, whichever entry it belongs to.
   */
  export interface TargetThread {
    tag: 'thread',
    val: Thread,
  }
  /**
   * An order. The host checks that the comment's author may give it, carries it out, and has the answer reported
   * (`report`, with `reply-to`).
   */
  export interface Command {
    /**
     * `continue` (goes on, with the argument as instruction), `stop`, `retry`, `approve`, `reject`, `review`. An
     * unknown word is answered with the list of the known ones.
     */
    name: string,
    /**
     * What follows it; may be empty.
     */
    argument: string,
    extra: Extra,
  }
  /**
   * Something that a person said to a task.
   */
  export interface Remark {
    target: Target,
    comment: Comment,
    /**
     * None: it is feedback, or the answer that the task waits for. The agent gets it as quoted text.
     */
    command?: Command,
    extra: Extra,
  }
  /**
   * What people said.
   */
  export interface FeedbackPage {
    /**
     * Oldest first. The host drops remarks that it has already (same comment id and body), and those that carry
     * its marker.
     */
    remarks: Array<Remark>,
    /**
     * As in `intake`.
     */
    cursor?: string,
    more: boolean,
    extra: Extra,
  }
  /**
   * A webhook delivery, its signature checked and its id not seen before.
   */
  export interface Delivery {
    id: string,
    /**
     * The value of the event header that the plugin named: `issue_comment`; empty if there is none.
     */
    event: string,
    /**
     * Names in lower case; without the signature, `authorization` and `cookie`.
     */
    headers: Array<[string, string]>,
    /**
     * As it was sent; at most 8 MiB. Deliveries whose body is not UTF-8 are refused by the host.
     */
    body: string,
    receivedAt: Timestamp,
    extra: Extra,
  }
  /**
   * What a delivery says.
   */
  export interface Receipt {
    /**
     * Empty, like `remarks`: nothing in it concerned this entry. That is no error.
     */
    items: Array<Item>,
    remarks: Array<Remark>,
    /**
     * Poll soon: the delivery says that something happened, but not all that is needed.
     */
    poll: boolean,
    extra: Extra,
  }
  /**
   * News of a task, to be told where it came from.
   */
  export interface Update {
    /**
     * A UUID: the same in each repetition of this update, different for every other one. Services that let their
     * caller name what is made can take it as it is.
     */
    id: string,
    /**
     * The task as it is after the change.
     */
    task: Task,
    /**
     * The state before: empty for a new task, equal to `task.state` if it did not change.
     */
    formerState: string,
    /**
     * What to tell people: Markdown. None: only the state changed. Progress, a question of the agent's to be
     * answered by a comment, the answer to a command, why it failed.
     */
    text?: string,
    /**
     * The id of the comment that `text` answers.
     */
    replyTo?: string,
    /**
     * Put this line into every text that you write yourself (not into edits, the host does it there), where
     * people do not see it if that can be done: by it the host knows its own words.
     */
    marker: string,
    at: Timestamp,
    /**
     * Keys of 1.0: `mode` (of a task that came in: `propose`, `ask` or `auto`).
     */
    extra: Extra,
  }
}
