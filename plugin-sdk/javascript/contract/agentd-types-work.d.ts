/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:types/work@1.0.0' {
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  /**
   * Somebody who wrote or asked for something.
   */
  export interface Person {
    /**
     * The stable name in the system that the person comes from: a GitHub login, a Linear user id, a mail
     * address.
     */
    login: string,
    /**
     * The name to show, where there is one.
     */
    name?: string,
    /**
     * A program, not a human being.
     */
    bot: boolean,
    extra: Extra,
  }
  /**
   * Lines in a file of a repository.
   */
  export interface Location {
    /**
     * Relative to the repository's root, `/` between parts, no leading `/`, no `..`.
     */
    path: string,
    /**
     * The first line, counted from 1; 0: the file as a whole.
     */
    line: number,
    /**
     * The last line, included; equal to `line` for a single line.
     */
    endLine: number,
    extra: Extra,
  }
  /**
   * An issue or a pull request on a forge. Both share one sequence of numbers.
   */
  export interface Thread {
    /**
     * The repository's id, see `agentd:host/repository`.
     */
    repository: string,
    number: number,
    extra: Extra,
  }
  /**
   * Something said about an issue, a pull request or a task.
   */
  export interface Comment {
    /**
     * Unique in the system that the comment comes from; at most 256 bytes.
     */
    id: string,
    author: Person,
    /**
     * Markdown, untrusted; at most 256 KiB, the host cuts what is longer.
     */
    body: string,
    /**
     * Where a person can read it.
     */
    url?: string,
    /**
     * The issue or pull request that it stands on, where that is on a forge.
     */
    thread?: Thread,
    /**
     * The lines that it speaks of: a review comment.
     */
    location?: Location,
    createdAt: Timestamp,
    /**
     * Equal to `created-at` if it was never edited.
     */
    updatedAt: Timestamp,
    extra: Extra,
  }
  /**
   * A unit of work as a task source or an analyzer found it. The host makes one task of it, or brings the task up
   * to date that it made earlier: `(entry, key)` is a task for ever, meeting it again never makes a second one.
   * What counts as changed is found by comparing, so give the same draft for the same work.
   */
  export interface Draft {
    /**
     * Names the work within this entry, for ever: `acme/shop#123`, `ENG-42`, `fix-login.md`. 1 to 256 bytes. It
     * must not depend on anything that may change while the work stays the same (a title, a line number).
     */
    key: string,
    /**
     * One line of plain text; the host cuts after 256 characters.
     */
    title: string,
    /**
     * Markdown, untrusted; at most 256 KiB, the host cuts what is longer and says so to the agent.
     */
    body: string,
    /**
     * Where a person can read it.
     */
    url?: string,
    /**
     * The canonical URL of what it is about, the same for everybody who finds it: an issue's. As long as a task
     * with this subject is open, another draft with it makes no second task, but a message to the first; one
     * with a later `requested-at` than the task's end opens it again. None: nobody else can find it.
     */
    subject?: string,
    /**
     * The repository's id; none: the operator's routes decide, by `labels` and `fields`, and without a matching
     * route the task waits and says so.
     */
    repository?: string,
    /**
     * The issue (or pull request) on a forge that this is. The host closes it by the change (`Closes #123`), and
     * takes comments on it as comments on the task.
     */
    thread?: Thread,
    /**
     * The branch to start from; none: the repository's default branch.
     */
    base?: string,
    /**
     * Who wrote title and body.
     */
    author?: Person,
    /**
     * Who changed title or body last, where that is known and not the author. The host pins the text as it was
     * when the work was asked for; later changes count if this person may start work.
     */
    editor?: Person,
    /**
     * Who asked agentd to do it: wrote the command, set the label. The host checks that this person may, with
     * the forge or by the operator's list. None: the source vouches for it, because only people who may can do
     * what made this a draft (write into a folder).
     */
    requester?: Person,
    /**
     * When that was.
     */
    requestedAt?: Timestamp,
    labels: Array<string>,
    /**
     * 1 urgent, 2 high, 3 normal, 4 low; none: it does not say. Other numbers count as 3.
     */
    priority?: number,
    /**
     * Work that has to be done first: keys of this entry, or task ids. Unknown ones are noted and ignored.
     */
    dependsOn: Array<string>,
    /**
     * What the requester asks of the agent beyond title and body (the text after a `/code` command). Given to
     * the agent as an instruction if the requester may start work, else as quoted text.
     */
    instructions?: string,
    /**
     * The discussion so far, oldest first; the host keeps the last 100.
     */
    comments: Array<Comment>,
    /**
     * The lines that it is about: what an analyzer found.
     */
    locations: Array<Location>,
    /**
     * What its system says of it besides, for the operator's routes and rules: `component`, `team`, `project`.
     */
    fields: Array<[string, string]>,
    /**
     * When it came into being, where its system says so.
     */
    createdAt?: Timestamp,
    /**
     * Keys of 1.0: `agent` (which agent plugin to use), `model`, `strategy`; they count if the operator's
     * configuration lets this entry choose.
     */
    extra: Extra,
  }
  /**
   * The pushed branch of a task, with its pull request.
   */
  export interface Change {
    repository: string,
    branch: string,
    base: string,
    /**
     * Id of the last pushed commit.
     */
    commit: string,
    /**
     * The pull request's number; none as long as there is only a branch.
     */
    number?: number,
    url?: string,
    /**
     * `branch` (no pull request yet), `draft`, `open`, `merged` or `closed`. An unknown word counts as `open`.
     */
    state: string,
    extra: Extra,
  }
  /**
   * A task as the host knows it, at the moment of the call. Without the long texts: who needs those gets them
   * beside it.
   */
  export interface Task {
    /**
     * Unique in this agentd, for ever. At most 64 bytes.
     */
    id: string,
    /**
     * The name of the entry (of a task source or analyzer) that it comes from, or `cli`, `api`, `agent`.
     */
    source: string,
    /**
     * Its key in that entry.
     */
    key: string,
    /**
     * Untrusted.
     */
    title: string,
    url?: string,
    repository: string,
    thread?: Thread,
    requester?: Person,
    labels: Array<string>,
    /**
     * 1 to 4 as in `draft`.
     */
    priority?: number,
    /**
     * `queued`, `running`, `waiting` (for a person), `publishing`, `in-review`, `done`, `failed`, `cancelled`.
     * Treat an unknown word like `running`.
     */
    state: string,
    /**
     * Why it is in that state, as a sentence for people (`waits for t-17`, `tests failed: 3 of 120`).
     */
    reason?: string,
    /**
     * The number of its newest run; 0: none yet.
     */
    run: number,
    change?: Change,
    /**
     * When agentd first met it.
     */
    createdAt: Timestamp,
    /**
     * When its state last changed.
     */
    changedAt: Timestamp,
    /**
     * What all its runs have cost up to now, as the gateway metered it.
     */
    spentMicrousd: number,
    /**
     * Keys of 1.0: `waits-for` (of a task in state `waiting`: `start`, `approval`, `operator` or `confirmation`, that
     * there is nothing to do; an unknown word counts as `operator`), `outcome` (of one that is `done`: `change`,
     * `answer` or `nothing-to-do`).
     */
    extra: Extra,
  }
  /**
   * Something that a plugin wants written on an issue or pull request. A plugin cannot write to a forge itself: it
   * returns edits, and the host carries them out through its outbox, after the call, each exactly once even if
   * everything crashes in between. All parts are optional; an edit with none does nothing. Needs the grant `forge`
   * with the matching write (`comment`, `label`, `reaction`); what is not granted is dropped, and the plugin's log
   * gets the line that would allow it. At most 50 edits an answer.
   *
   * Say what is to be so, by the state of the task: the same edits again write nothing twice.
   */
  export interface Edit {
    /**
     * In a repository of the entry.
     */
    thread: Thread,
    /**
     * A comment to add: Markdown, at most 60,000 bytes. The host adds its hidden marker, so that what agentd
     * wrote is never taken for feedback.
     */
    comment?: string,
    /**
     * With a name here, `comment` replaces the comment that this entry wrote earlier on the same thread under
     * the same name, instead of adding another one. 1 to 64 letters, digits, dots, dashes and underscores.
     */
    slot?: string,
    /**
     * The id of the comment that is answered, or that `reaction` goes to; none: the thread itself.
     */
    replyTo?: string,
    /**
     * A reaction to add: `eyes`, `+1`, `-1`, `rocket`, `confused`, `heart`, `hooray`, `laugh`.
     */
    reaction?: string,
    /**
     * Labels to add; those that the repository does not have are made. At most 20, of at most 50 characters each.
     */
    addLabels: Array<string>,
    /**
     * Labels to take off; those that are not there are ignored, and so are those that `add-labels` has too.
     */
    removeLabels: Array<string>,
    /**
     * Keys of 1.0: `add-assignees` and `remove-assignees`, JSON lists of at most 10 logins. `@me` is the account
     * that agentd works as, and is left out where that account cannot be assigned. Needs the write `label`.
     */
    extra: Extra,
  }
}
