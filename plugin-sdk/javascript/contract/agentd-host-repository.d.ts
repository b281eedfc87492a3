/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:host/repository@1.0.0' {
  /**
   * The repositories that this entry was given, by id. No grant needed; empty if none.
   */
  export function repositories(): Array<Info>;
  /**
   * Lists files.
   */
  export function listFiles(query: FileQuery): FilePage;
  /**
   * The whole content of a file: at most 8 MiB, else `too-large`.
   */
  export function readFile(tree: string, revision: string | undefined, path: string): Content;
  /**
   * Searches all text files of the tree (files with a NUL byte in their first 8 KiB, and files over 8 MiB, are
   * left out), on all cores that the host allows.
   */
  export function search(query: SearchQuery): SearchPage;
  /**
   * The history.
   */
  export function history(query: CommitQuery): CommitPage;
  /**
   * Who last changed the lines `first` to `last` (included) of a file; neighbouring lines of one commit come
   * together. At most 10,000 lines.
   */
  export function blame(tree: string, revision: string | undefined, path: string, first: number, last: number): Array<BlameRange>;
  /**
   * The files that exist at the revision and were changed by most commits, most first; merges are not counted,
   * renames are followed. Kept by the host as history grows: a later call is quick.
   */
  export function churn(query: ChurnQuery): Array<ChurnedFile>;
  export type Timestamp = import('agentd:types/common@1.0.0').Timestamp;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  export type Content = import('agentd:types/common@1.0.0').Content;
  export type Error = import('agentd:types/common@1.0.0').Error;
  /**
   * A repository that the entry may work with.
   */
  export interface Info {
    /**
     * The id, as all of agentd uses it, and as the operator's configuration names it: `acme/shop`.
     */
    id: string,
    /**
     * `github`, `local`. Treat an unknown word as a forge that you cannot link to.
     */
    forge: string,
    defaultBranch: string,
    /**
     * Where a person can see it.
     */
    url?: string,
    extra: Extra,
  }
  /**
   * Which files.
   */
  export interface FileQuery {
    tree: string,
    revision?: string,
    globs: Array<string>,
    cursor?: string,
    /**
     * 1 to 10,000 a page.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * A file of a tree.
   */
  export interface File {
    path: string,
    /**
     * In bytes; 4,294,967,295 stands for that much and more.
     */
    size: number,
    extra: Extra,
  }
  /**
   * Some of the files.
   */
  export interface FilePage {
    /**
     * By path, in byte order.
     */
    files: Array<File>,
    next?: string,
    extra: Extra,
  }
  /**
   * What to look for, and where.
   */
  export interface SearchQuery {
    tree: string,
    revision?: string,
    /**
     * A regular expression as in Rust's `regex` (RE2-like: linear time, no look-around, no back-references),
     * matched line by line.
     */
    pattern: string,
    /**
     * The pattern is plain text.
     */
    literal: boolean,
    ignoreCase: boolean,
    /**
     * Only where word borders are at both ends.
     */
    wholeWords: boolean,
    globs: Array<string>,
    /**
     * How many lines before and after each hit to give: at most 20.
     */
    context: number,
    cursor?: string,
    /**
     * 1 to 10,000 hits a page.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * A line that matches.
   */
  export interface Hit {
    path: string,
    /**
     * From 1.
     */
    line: number,
    /**
     * Where in the line the first match begins: bytes, from 0.
     */
    column: number,
    /**
     * The line without its end; at most 1 KiB around the match. Bytes that are not UTF-8 are replaced.
     */
    text: string,
    /**
     * The lines before and after; at most `context`, fewer at the file's ends.
     */
    before: Array<string>,
    after: Array<string>,
    extra: Extra,
  }
  /**
   * Some of the hits.
   */
  export interface SearchPage {
    /**
     * By path, then line: the same search on the same commit gives the same pages.
     */
    hits: Array<Hit>,
    next?: string,
    extra: Extra,
  }
  /**
   * Which commits.
   */
  export interface CommitQuery {
    tree: string,
    revision?: string,
    /**
     * Only commits that touch one of these files or directories; empty: all.
     */
    paths: Array<string>,
    /**
     * Only commits at or after that moment.
     */
    since?: Timestamp,
    cursor?: string,
    /**
     * 1 to 1,000 a page.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * A commit.
   */
  export interface Commit {
    id: string,
    author: string,
    /**
     * Mail address.
     */
    authorEmail: string,
    committedAt: Timestamp,
    /**
     * Untrusted; at most 8 KiB.
     */
    message: string,
    extra: Extra,
  }
  /**
   * Some of the commits.
   */
  export interface CommitPage {
    /**
     * Newest first, along first parents.
     */
    commits: Array<Commit>,
    next?: string,
    extra: Extra,
  }
  /**
   * Who last changed some lines.
   */
  export interface BlameRange {
    /**
     * From 1; the last line is included.
     */
    first: number,
    last: number,
    commit: string,
    author: string,
    authorEmail: string,
    committedAt: Timestamp,
    extra: Extra,
  }
  /**
   * Which files, since when.
   */
  export interface ChurnQuery {
    tree: string,
    revision?: string,
    globs: Array<string>,
    /**
     * Counts commits at or after that moment.
     */
    since?: Timestamp,
    /**
     * 1 to 10,000 files.
     */
    limit: number,
    extra: Extra,
  }
  /**
   * How much a file was worked on.
   */
  export interface ChurnedFile {
    path: string,
    commits: number,
    /**
     * How many different authors these have.
     */
    authors: number,
    addedLines: number,
    removedLines: number,
    lastChangedAt: Timestamp,
    extra: Extra,
  }
}
