/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:host/forge@1.0.0' {
  /**
   * Issues, without pull requests.
   */
  export function listIssues(query: IssueQuery): IssuePage;
  /**
   * One issue. A pull request's number is a `not-found`.
   */
  export function getIssue(repository: string, number: number): Issue;
  /**
   * Comments of one thread, or of the whole repository.
   */
  export function listComments(query: CommentQuery): CommentPage;
  /**
   * Pull requests, drafts included.
   */
  export function listPullRequests(query: PullRequestQuery): PullRequestPage;
  /**
   * One pull request. An issue's number is a `not-found`.
   */
  export function getPullRequest(repository: string, number: number): PullRequest;
  /**
   * All labels of the repository, by name.
   */
  export function listLabels(repository: string): Array<Label>;
  /**
   * The newest outcome of each check on a commit (or branch), commit statuses included.
   */
  export function listChecks(repository: string, commit: string): Array<Check>;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Person = import('agentd:types/work@1.0.0').Person;
  export type Comment = import('agentd:types/work@1.0.0').Comment;
  /**
   * # Variants
   *
   * ## `"newest"`
   *
   * Most recently created first.
   * ## `"oldest"`
   *
   * First created first.
   * ## `"freshest"`
   *
   * Most recently changed first.
   * ## `"stalest"`
   *
   * Longest unchanged first.
   */
  export type IssueOrder = 'newest' | 'oldest' | 'freshest' | 'stalest';
  /**
   * Which issues.
   */
  export interface IssueQuery {
    /**
     * None: all repositories of the entry, with as few requests to the forge as it allows.
     */
    repository?: string,
    /**
     * `open`, `closed` or `all`.
     */
    state: string,
    /**
     * Only those that have all of these labels; empty: any. At most 20.
     */
    labels: Array<string>,
    /**
     * Only those changed at or after that moment.
     */
    changedSince?: Timestamp,
    order: IssueOrder,
    cursor?: string,
    /**
     * 1 to 100 a page.
     */
    limit: number,
    /**
     * Keys of 1.0: `assignee` (a login, or `*`), `milestone` (its title).
     */
    extra: Extra,
  }
  /**
   * A label that an issue has.
   */
  export interface AppliedLabel {
    name: string,
    /**
     * Who set it, and when, where the forge says so.
     */
    by?: Person,
    at?: Timestamp,
    extra: Extra,
  }
  /**
   * An issue, as the forge has it.
   */
  export interface Issue {
    repository: string,
    number: number,
    /**
     * Untrusted, like the body.
     */
    title: string,
    body: string,
    url: string,
    /**
     * `open` or `closed`.
     */
    state: string,
    /**
     * Where it is closed: `completed`, `not-planned`, `duplicate`, or empty.
     */
    stateReason: string,
    author: Person,
    /**
     * Who changed title or body last, if it was not the author. Where the forge does not say who it was: `ghost`.
     */
    editor?: Person,
    labels: Array<AppliedLabel>,
    /**
     * Logins.
     */
    assignees: Array<string>,
    /**
     * The milestone's title.
     */
    milestone?: string,
    /**
     * How many comments there are.
     */
    comments: number,
    createdAt: Timestamp,
    changedAt: Timestamp,
    /**
     * Keys of 1.0: `closed-by` (the login of who closed it, where the forge says so).
     */
    extra: Extra,
  }
  /**
   * Some of the issues.
   */
  export interface IssuePage {
    issues: Array<Issue>,
    next?: string,
    extra: Extra,
  }
  /**
   * Which comments.
   */
  export interface CommentQuery {
    /**
     * None: all repositories of the entry.
     */
    repository?: string,
    /**
     * The comments of that issue or pull request of `repository`, review comments included; none: of all of them.
     */
    number?: number,
    /**
     * Only those changed at or after that moment.
     */
    changedSince?: Timestamp,
    cursor?: string,
    /**
     * 1 to 100 a page.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * Some of the comments.
   */
  export interface CommentPage {
    /**
     * Longest unchanged first. `thread` is always set. Comments that agentd itself wrote are left out.
     */
    comments: Array<Comment>,
    next?: string,
    extra: Extra,
  }
  /**
   * Which pull requests.
   */
  export interface PullRequestQuery {
    repository: string,
    /**
     * `open`, `closed` or `all`.
     */
    state: string,
    /**
     * Only those of this source branch.
     */
    head?: string,
    cursor?: string,
    /**
     * 1 to 100 a page.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * A pull request, as the forge has it.
   */
  export interface PullRequest {
    repository: string,
    number: number,
    title: string,
    body: string,
    url: string,
    /**
     * `draft`, `open`, `merged` or `closed`.
     */
    state: string,
    author: Person,
    labels: Array<string>,
    /**
     * The source branch, and its last commit.
     */
    head: string,
    headCommit: string,
    /**
     * The branch that it is to be merged into.
     */
    base: string,
    createdAt: Timestamp,
    changedAt: Timestamp,
    extra: Extra,
  }
  /**
   * Some of the pull requests.
   */
  export interface PullRequestPage {
    /**
     * Most recently changed first.
     */
    pullRequests: Array<PullRequest>,
    next?: string,
    extra: Extra,
  }
  /**
   * A label of a repository.
   */
  export interface Label {
    name: string,
    /**
     * Empty if there is none.
     */
    description: string,
    extra: Extra,
  }
  /**
   * What CI says of a commit.
   */
  export interface Check {
    name: string,
    /**
     * `waiting`, `running`, `passed`, `failed`, `cancelled`, `skipped`. Treat an unknown word as `running`.
     */
    state: string,
    url?: string,
    /**
     * What it says of itself; untrusted.
     */
    summary: string,
    extra: Extra,
  }
}
