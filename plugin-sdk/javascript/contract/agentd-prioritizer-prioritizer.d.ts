/// <reference path="./agentd-types-common.d.ts" />
/// <reference path="./agentd-types-work.d.ts" />
declare module 'agentd:prioritizer/prioritizer@1.0.0' {
  /**
   * Scores tasks. Called when tasks come or change, when a score is no longer valid, and for all waiting tasks
   * when the prioritizer or its settings change. At least 1 s, 1 s of CPU, 256 MiB. A candidate without a score
   * counts as 0. Failure: the tasks keep the scores they have, new ones get 0, and the operator is told.
   */
  export function rank(batch: Batch): Array<Score>;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Error = import('agentd:types/common@1.0.0').Error;
  export type Task = import('agentd:types/work@1.0.0').Task;
  /**
   * A task that waits to be worked on, or to be worked on again.
   */
  export interface Candidate {
    task: Task,
    /**
     * What the next run is for: `execute`, `feedback`, `ci-fix`, `rebase`, … Treat an unknown word like
     * `execute`.
     */
    purpose: string,
    /**
     * Since when it could have been started.
     */
    waitingSince: Timestamp,
    /**
     * How many runs it has had that failed.
     */
    failures: number,
    /**
     * How many waiting tasks depend on it, directly or not.
     */
    blocks: number,
    /**
     * What tasks like it (same repository and source) cost on average, in millionths of a dollar; none: too few
     * yet.
     */
    typicalMicrousd?: number,
    extra: Extra,
  }
  /**
   * Tasks to be scored.
   */
  export interface Batch {
    /**
     * The present time: use it instead of a clock, so that the same batch gives the same scores.
     */
    now: Timestamp,
    /**
     * 1 to 1,000. All can start: dependencies and limits are the host's business.
     */
    candidates: Array<Candidate>,
    extra: Extra,
  }
  /**
   * How important a task is.
   */
  export interface Score {
    /**
     * The task's id.
     */
    task: string,
    /**
     * Higher goes first; equal ones in the order of `waiting-since`. Finite. It is kept, and compared with
     * scores given at other times and in other batches. So it must not depend on the other candidates, and age
     * is best counted from a fixed day (subtract `waiting-since`), which makes the same order at any time.
     */
    value: number,
    /**
     * Ask again then, because the score will be another one (a date that comes near). None: it holds until the
     * task, the prioritizer or its settings change.
     */
    validUntil?: Timestamp,
    /**
     * For people: what made the score (`priority high +50, blocks 3 others +15`). Shown by `agentd why`.
     */
    reason: string,
    extra: Extra,
  }
}
