/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:analyzer/analyzer@1.0.0' {
  /**
   * Looks through one repository. Called on the entry's schedule (cron) for each of its repositories, when the
   * default branch has moved since the last time or the entry says `always`; and by `agentd analyze`, which only
   * shows the findings. At least 5 minutes, 60 s of CPU, 512 MiB. Calls for different repositories may come at the
   * same time. Failure: the findings of before stay as they are, and the next time begins at the beginning.
   */
  export function analyze(request: Request): Report;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Draft = import('agentd:types/work@1.0.0').Draft;
  /**
   * What to look at.
   */
  export interface Request {
    /**
     * The repository to look at.
     */
    repository: string,
    /**
     * The commit to look at: give it to `agentd:host/repository`, so that everything fits together.
     */
    revision: string,
    /**
     * The commit of the last successful analysis by this entry; none: this is the first.
     */
    lastRevision?: string,
    /**
     * The present time: use it instead of a clock, so that the same request gives the same findings.
     */
    now: Timestamp,
    /**
     * Where the call before this one stopped, see `report`; none: begin at the beginning.
     */
    cursor?: string,
    /**
     * How many findings are wanted at most; give the most important ones.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * What was found.
   */
  export interface Report {
    /**
     * Each becomes a task of this entry. `key` must stay the same while the finding does, though lines move:
     * make it of the path and of what was found there, not of line numbers. `repository` may be none: it is the
     * request's.
     */
    findings: Array<Draft>,
    /**
     * These are all findings that there are: queued tasks of this entry and repository that are missing here are
     * withdrawn, because somebody else has dealt with them. Not so when `limit` cut the list.
     */
    complete: boolean,
    /**
     * There is more to look at: call again, with this cursor. The calls of one analysis count as one: findings
     * are stored, and what is missing is withdrawn, when the last one has said so. At most 64 KiB. None: this
     * was all.
     */
    cursor?: string,
    /**
     * One sentence for people: `214 files, 31 TODO comments, 4 older than a year`.
     */
    summary: string,
    extra: Extra,
  }
}
