/// <reference path="./agentd-types-common.d.ts" />
declare module 'agentd:plugin/manifest@1.0.0' {
  /**
   * Says who the plugin is. Only `wants` may depend on the settings: JSON text, defaults filled in, perhaps
   * incomplete. Called with `{}` when the file appears or changes and by `agentd plugin inspect`, and with the
   * settings of each entry when the file or they change. No grants (host imports other than `log` fail with
   * `denied`), and `entry` is empty. The same settings give the same answer. At least 1 s. A failure keeps the
   * plugin out, and the operator is told.
   */
  export function describe(settings: string): Description;
  /**
   * Checks settings (JSON text that fits the schema, defaults filled in) for what a schema cannot say: a template
   * that does not parse, two settings that contradict each other. Called before settings come into force: at
   * start, and whenever the plugin or they change; also by `agentd config check`. Grants as in `describe`. Empty:
   * all is well; otherwise the settings are refused as a whole and the former ones stay. Return every problem at
   * once. At least 1 s. No effects elsewhere.
   */
  export function check(settings: string): Array<Problem>;
  export type Extra = import('agentd:types/common@1.0.0').Extra;
  /**
   * How the service wants to get a secret. The operator's configuration of the credential counts; this is what it
   * is proposed from.
   */
  export type Attachment = AttachmentBearer | AttachmentBasic | AttachmentHeader | AttachmentQuery | AttachmentUrl | AttachmentSigningKey | AttachmentOauth2 | AttachmentOther;
  /**
   * `Authorization: Bearer SECRET`.
   */
  export interface AttachmentBearer {
    tag: 'bearer',
  }
  /**
   * `Authorization: Basic …`, from user and password.
   */
  export interface AttachmentBasic {
    tag: 'basic',
  }
  /**
   * The header of this name holds the secret and nothing else.
   */
  export interface AttachmentHeader {
    tag: 'header',
    val: string,
  }
  /**
   * The query parameter of this name.
   */
  export interface AttachmentQuery {
    tag: 'query',
    val: string,
  }
  /**
   * The whole URL is the secret; the request's own is empty.
   */
  export interface AttachmentUrl {
    tag: 'url',
  }
  /**
   * The request is signed with it as Standard Webhooks says (`webhook-id`, `webhook-timestamp`,
   * `webhook-signature`).
   */
  export interface AttachmentSigningKey {
    tag: 'signing-key',
  }
  /**
   * As `bearer`, with a token that the host refreshes.
   */
  export interface AttachmentOauth2 {
    tag: 'oauth2',
  }
  /**
   * A way that a later 1.x host knows.
   */
  export interface AttachmentOther {
    tag: 'other',
    val: string,
  }
  /**
   * A secret that the plugin uses and never sees.
   */
  export interface Credential {
    /**
     * The name that the operator stores it under: `linear`. Let a setting decide where there may be several.
     */
    name: string,
    attach: Attachment,
    extra: Extra,
  }
  /**
   * To send HTTP requests, by `agentd:host/http` or by `wasi:http`.
   */
  export interface HttpWant {
    /**
     * `GET`, `POST`, … Empty: all.
     */
    methods: Array<string>,
    /**
     * What the URLs begin with: scheme, host, port if it is not the scheme's own, and as much of the path as is
     * known: `https://api.linear.app/graphql`. No wildcards.
     */
    url: string,
    /**
     * The credential that requests there may name.
     */
    credential?: Credential,
    /**
     * For the operator: what for.
     */
    why: string,
    extra: Extra,
  }
  /**
   * To ask the forge (`agentd:host/forge`) about the entry's repositories, and to have edits written there.
   */
  export interface ForgeWant {
    /**
     * What the plugin wants to write by returning edits: `comment`, `label`, `reaction`. Empty: it only reads.
     */
    writes: Array<string>,
    why: string,
    extra: Extra,
  }
  /**
   * To read and search the files and the history of the entry's repositories (`agentd:host/repository`). Nobody
   * has to approve this alone, but people should see it beside an `http`.
   */
  export interface RepositoryWant {
    why: string,
    extra: Extra,
  }
  /**
   * To read a directory of the host through `agentd:host/repository`, where it is named `dir:` and the setting's
   * name.
   */
  export interface DirectoryWant {
    /**
     * The top-level setting that holds its path: `path`.
     */
    setting: string,
    why: string,
    extra: Extra,
  }
  /**
   * To send mail to the recipients that the operator allows (`agentd:host/mail`).
   */
  export interface MailWant {
    why: string,
    extra: Extra,
  }
  /**
   * Task sources only: to be called with what arrives at `/webhooks/ENTRY`. The host refuses whatever is not
   * signed with the entry's secret by HMAC-SHA-256, and drops repeated deliveries; the plugin never sees the
   * secret.
   */
  export interface WebhookWant {
    /**
     * The header with the signature, in lower case: `x-hub-signature-256`.
     */
    signatureHeader: string,
    /**
     * What stands before the signature in that header: `sha256=`. Often empty.
     */
    signaturePrefix: string,
    /**
     * `hex` or `base64`.
     */
    signatureEncoding: string,
    /**
     * What is signed: `{body}`, or for example `{id}.{timestamp}.{body}`.
     */
    signedContent: string,
    /**
     * The header that names the delivery, for `{id}` and against repetitions: `x-github-delivery`. None: the
     * host takes a hash of the body.
     */
    idHeader?: string,
    /**
     * The header with the time of sending, for `{timestamp}`: seconds or milliseconds since 1970. Deliveries
     * older than five minutes are then refused.
     */
    timestampHeader?: string,
    /**
     * The header with the kind of event: `x-github-event`.
     */
    eventHeader?: string,
    why: string,
    extra: Extra,
  }
  /**
   * Agents only: a model provider that the agent talks to through the gateway. The operator says which account
   * serves it; the gateway adds the account's key and meters the use, and the agent gets a local address and a
   * token of its run.
   */
  export interface ModelWant {
    /**
     * How this plugin calls it, `endpoint.name` in a run: `main`.
     */
    name: string,
    /**
     * The languages that the agent can speak there, the preferred one first: `anthropic-messages`,
     * `openai-responses`, `openai-chat`, `gemini`. The account decides.
     */
    apis: Array<string>,
    /**
     * The agent cannot run without it. Otherwise the operator may leave it out.
     */
    required: boolean,
    why: string,
    extra: Extra,
  }
  /**
   * A capability by name.
   */
  export interface OtherWant {
    name: string,
    /**
     * As that capability's documentation says.
     */
    value: string,
    why: string,
    extra: Extra,
  }
  /**
   * Something that a plugin wants to be allowed. Where it depends on a setting that is missing, put the setting's
   * name in braces (`{url}`): people then see what will be wanted, and nothing can be granted by it.
   */
  export type Want = WantHttp | WantForge | WantRepository | WantDirectory | WantMail | WantWebhook | WantModel | WantOther;
  export interface WantHttp {
    tag: 'http',
    val: HttpWant,
  }
  export interface WantForge {
    tag: 'forge',
    val: ForgeWant,
  }
  export interface WantRepository {
    tag: 'repository',
    val: RepositoryWant,
  }
  export interface WantDirectory {
    tag: 'directory',
    val: DirectoryWant,
  }
  export interface WantMail {
    tag: 'mail',
    val: MailWant,
  }
  export interface WantWebhook {
    tag: 'webhook',
    val: WebhookWant,
  }
  export interface WantModel {
    tag: 'model',
    val: ModelWant,
  }
  /**
   * A capability that a later 1.x host has. A host that does not know it refuses it, and says so in the list.
   */
  export interface WantOther {
    tag: 'other',
    val: OtherWant,
  }
  /**
   * A plugin about itself.
   */
  export interface Description {
    /**
     * Lower-case words with dashes: `github-issues`. The file's name without `.wasm` should be the same.
     */
    name: string,
    /**
     * Semantic version of the plugin, not of agentd: `1.4.0`.
     */
    version: string,
    /**
     * One sentence for people: what it does.
     */
    summary: string,
    /**
     * JSON Schema (draft 2020-12) of the settings, as text. An object schema; `description` of each property is
     * shown to the operator, `default` is filled in before you see the settings. Empty: there are no settings.
     */
    settingsSchema: string,
    /**
     * What it wants to be allowed, with these settings. It gets what both this list and the operator's grants
     * contain. A file that wants nothing but `repository` serves at once; what wants more, or more than before,
     * waits for `agentd plugin approve`, while the version before it goes on.
     */
    wants: Array<Want>,
    /**
     * Keys of 1.0, all optional: `homepage`, `license`, `author`.
     */
    extra: Extra,
  }
  /**
   * Something that is wrong in the settings.
   */
  export interface Problem {
    /**
     * JSON pointer to the value: `/states/done`; empty: the settings as a whole.
     */
    pointer: string,
    /**
     * For the operator: what is wrong and what would be right.
     */
    message: string,
    extra: Extra,
  }
}
