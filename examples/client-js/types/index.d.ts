/** A kind of error: one of the server's codes, or one of this library's own. */
export type Code =
  | 'unknown_outcome' // it may have happened or not: you, or the time, ended the asking before an answer came
  | 'lost' // the connection broke under a command
  | 'closed' // the client or the subscription was closed
  | 'overflow' // more was waiting to be read than the buffer holds
  | (string & {});

export class StagehouseError extends Error {
  constructor(code: string, message: string, more?: { retryable?: boolean; cause?: unknown });
  /** Stable; depend on it. */
  code: Code;
  /** Whether the same call may succeed later, without being done twice. */
  retryable: boolean;
}

/** What the server has answered instead of what was asked for: RFC 9457, over REST or in a frame. */
export class ProblemError extends StagehouseError {
  constructor(problem: Record<string, any>);
  title: string;
  /** The HTTP status; 0 if it came over the socket. */
  status: number;
  errors: { location: string; message: string }[];
  /** Finds the request in the server's log. */
  requestId: string;
  /** 0 = the server did not say. */
  retryAfterMs: number;
  /** Of a turn that was accepted nevertheless, or, with `conversation_busy`, of the one in the way; "" = none. */
  runId: string;
  conversationId: string;
  /** What else came with it; over the socket only. */
  details: Record<string, unknown>;
  /** With `no_agent_fits`: the score that an agent needs, and who was looked at, best first. */
  threshold: number;
  candidates: RouteCandidate[];
}

/** A connection that could not be made, or is no more. */
export class ConnectionError extends StagehouseError {
  constructor(code: string, message: string, more?: { retryable?: boolean; cause?: unknown; closeCode?: number });
  /** Of the close frame; 0 = there was none. */
  closeCode: number;
}

/** What has become of a message, when it is not a reply. */
export class TurnError extends StagehouseError {
  constructor(code: string, message: string, more?: { retryable?: boolean; cause?: unknown; runId?: string; conversationId?: string; reason?: string });
  /** "" = it is not known to have been accepted. */
  runId: string;
  conversationId: string;
  /** The server's, such as `host_restarted`; "" = it did not say. */
  reason: string;
}

export interface Options {
  /** Where the API server is, such as `https://agents.example.com`; a path in front of /api and /ws is kept. */
  url: string;
  /** A token of the server, or what finds one; it is called for every connection and every request. */
  token?: string | (() => string | Promise<string>);
  /** Until `connect` has a connection, a message is sent, a message is answered, a socket is let in, a request is answered. Default 30000. */
  timeoutMs?: number;
  /** Silence after which the server is pinged; after the same time again it counts as gone. Default 15000. */
  heartbeatMs?: number;
  /** How many events of a subscription, and pieces of a reply, may wait to be read. Default 4096. */
  buffer?: number;
  /** The waits between two attempts: a random part of baseMs, of twice that, and so on up to maxMs. Default 250, 15000. */
  retry?: { baseMs: number; maxMs: number };
  /**
   * Has every error told at once: a REST call is made once, and a message is sent once until it is accepted. Connections, and turns
   * that were accepted, come again all the same. Default false.
   */
  withoutRetry?: boolean;
  /** Finds the constructor of WebSockets. Default: the global one; on a Node without, that of the package ws. */
  webSocket?: () => unknown;
}

/**
 * A client of one API server.
 *
 * It keeps one socket open from `connect` to `close`. When that one breaks, it opens another, and everything goes on where it was:
 * every event comes once and in order, and a message is accepted once and its turn told to its end. REST calls are tried again, up to
 * eight times, when there is no answer, and after 429, 502, 503 and 504; what changes something has an idempotency key.
 */
export class Client {
  constructor(options: Options);

  readonly agents: Agents;
  readonly runs: Runs;
  readonly conversations: Conversations;
  readonly memory: Memory;
  readonly usage: Usage;

  /** The place in the event log up to which everything has been given out; "" before there is one. See `since`. */
  readonly place: string;

  /**
   * Resolves when there is a connection. It goes on trying until the server refuses the token or the origin, or the time is over;
   * then it rejects, and so does everything that waits.
   */
  connect(): Promise<void>;

  /**
   * Asks for events. A list that is absent means all; events may be named in full (`agent:thought`), short (`thought`), or by
   * family (`chat:*`). With `since`, which only the first subscription before `connect` may have, it begins behind that place.
   */
  subscribe(lists?: { agents?: string[]; events?: string[]; since?: string; buffer?: number }): Subscription;

  /**
   * Listens to what happens, and returns a function that ends this. An event of the log is told once if any subscription lets
   * it through, under the name of its type.
   */
  on<K extends keyof Happenings>(name: K, listener: (value: Happenings[K]) => void): () => void;

  /**
   * Sends a message, to an agent or to whoever fits best. It waits for a connection if there is none. Once it may have reached the
   * server, it is sent again, with the same key, until it is accepted, and on every new socket until its turn is over. It fails with
   * the code `unknown_outcome` only if it was sent and then, before an answer, the client was closed, the token refused, or the server
   * said again and again that something is wrong. Aborting the signal ends the waiting, not the turn: a message that was sent may be
   * accepted. Sent again with the same `idempotencyKey`, it is accepted once in any case.
   */
  chat(order: Order & { signal?: AbortSignal }): Turn;

  /**
   * Sends a message over REST, and waits for the reply: until then, or for `waitMs` in whole seconds, 0 = not at all; without a reply
   * the answer has a `runId` to wait for. `timeoutMs` bounds all of it, and is not set otherwise. A turn that has failed or was
   * cancelled is a ProblemError with a `runId`.
   */
  send(order: Order & { onDisconnect?: 'continue' | 'cancel' }, options?: { timeoutMs?: number }): Promise<SendAnswer & { reply: Message }>;
  send(order: Order & { onDisconnect?: 'continue' | 'cancel' }, options: { waitMs: number; timeoutMs?: number }): Promise<SendAnswer>;

  /** Says who would answer a message, and why, and sends nothing. If nobody fits, the ProblemError has the `candidates`. */
  route(message: string, context?: object): Promise<RouteDecision>;

  /** Ends everything: loops end, what waits rejects with the code `closed`, or `unknown_outcome` if it was sent. */
  close(): void;
}

export interface Happenings extends EventsByType {
  /** There is a connection again. `recovered` is absent if there was nothing to go on with; if it is false, a gap follows. */
  open: { recovered?: boolean };
  /** The connection is lost, and another one will be tried. */
  reconnecting: { attempt: number; delayMs: number; closeCode: number; reason: string };
  /** The server goes, and says when to come again. */
  draining: { resume?: string; retryAfterMs: number };
  /** The server complains about something that was no command. */
  problem: ProblemError;
  /** It is over, with an error if nobody wished it. */
  closed: { error?: Error };
}

/** Events, each once and in order. Leaving the loop ends it. A gap comes through every subscription. */
export interface Subscription extends AsyncIterableIterator<Event> {
  /** Resolves with the server's answer; what happens from then on is in the subscription. Rejects if it is refused. */
  readonly ready: Promise<{ agents: string[]; events: string[]; head: string; recovered?: boolean }>;
  close(): void;
}

export interface Order {
  message: string;
  /** Absent: whoever fits best. */
  agentId?: string;
  /** The conversation to go on with, or a name for a new one. Absent: a new one. */
  conversationId?: string;
  /** Hints for routing and for the agent's brain. */
  context?: object;
  /** What becomes of it while the conversation has an unfinished turn. Absent: it waits behind it. */
  onBusy?: 'enqueue' | 'reject' | 'interrupt';
  /** A name of your own, 1 to 255 visible characters: sent again with it within a day, by the same method, it is the same message. */
  idempotencyKey?: string;
}

/** One message and what comes of it. Iterating over it gives the pieces of the reply. */
export interface Turn extends AsyncIterable<string> {
  readonly deltas: AsyncIterableIterator<string>;
  /** Resolves when the message is durable. */
  readonly accepted: Promise<{ runId: string; agentId: string; conversationId: string; route?: RouteDecision }>;
  /** Resolves with the reply; rejects with a TurnError or a ProblemError. */
  readonly reply: Promise<Message>;
  /** "" before it is accepted. */
  readonly runId: string;
  readonly conversationId: string;
  /** Ends the turn once it is accepted; what was said until then is kept, and `reply` rejects with the code `cancelled`. */
  cancel(): Promise<Run>;
}

interface Page {
  limit?: number;
  cursor?: string;
}

/** Only if the thing still has that revision: otherwise a ProblemError of the code `revision_mismatch`. */
interface Condition {
  ifRevision?: number;
}

interface RunsQuery extends Page {
  conversationId?: string;
  agentId?: string;
  status?: Run['status'];
}

export interface Runs {
  /** With its reply, once there is one. */
  get(id: string): Promise<Run>;
  /** One page, the newest first. */
  list(query?: RunsQuery): Promise<{ runs: Run[]; nextCursor: string }>;
  /** Those of all pages. */
  all(query?: RunsQuery): AsyncIterableIterator<Run>;
  /** Ends it; one that is over stays as it is. */
  cancel(id: string): Promise<Run>;
  /** Waits for its end. */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<Run>;
}

interface AgentsQuery extends Page {
  status?: string;
  skill?: string;
}

export interface Agents {
  list(query?: AgentsQuery): Promise<{ agents: Agent[]; nextCursor: string }>;
  all(query?: AgentsQuery): AsyncIterableIterator<Agent>;
  get(id: string): Promise<Agent>;
  create(agent: NewAgent): Promise<Agent>;
  /** An absent member stays as it is, null clears it. */
  update(id: string, patch: AgentPatch, condition?: Condition): Promise<Agent>;
  delete(id: string, condition?: Condition): Promise<void>;
  start(id: string): Promise<Agent>;
  stop(id: string): Promise<Agent>;
}

interface ConversationsQuery extends Page {
  /** Words, each of which must be in the title or a message. */
  q?: string;
  agentId?: string;
  /** Absent: those that are not archived. */
  archived?: 'true' | 'any';
}

export interface Conversations {
  list(query?: ConversationsQuery): Promise<{ conversations: ConversationSummary[]; nextCursor: string }>;
  all(query?: ConversationsQuery): AsyncIterableIterator<ConversationSummary>;
  /** With one page of messages: the newest, those that a cursor leads to, or those after the message of the id `since`. */
  get(id: string, query?: Page & { since?: string }): Promise<Conversation>;
  /** The messages of all pages, the newest first; or those after `since`, in order. */
  messages(id: string, query?: { limit?: number; since?: string }): AsyncIterableIterator<Message>;
  create(conversation?: { id?: string; title?: string; agentId?: string }): Promise<ConversationSummary>;
  update(id: string, patch: { title?: string | null; archived?: boolean | null }, condition?: Condition): Promise<ConversationSummary>;
  /** With its messages and runs. */
  delete(id: string, condition?: Condition): Promise<void>;
}

interface UsageQuery extends Page {
  /** By what to add up. Absent: the total, and no groups. */
  groupBy?: 'run' | 'agent' | 'principal' | 'provider' | 'model' | 'day';
  agentId?: string;
  principal?: string;
  runId?: string;
  since?: string | Date;
  until?: string | Date;
}

export interface UsageSum {
  /** How often a model was asked. */
  steps: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  /** In millionths of the currency. */
  costMicros: number;
  /** Tokens whose price is not known: where it is not 0, the cost is more than that. */
  unpricedTokens: number;
}

/** What models have used for you, or, with the scope admin, for everybody. */
export interface Usage {
  report(query?: UsageQuery): Promise<{ currency?: string; total: UsageSum; groups: (UsageSum & { key: string })[]; nextCursor: string }>;
  /** The groups of all pages. */
  all(query?: UsageQuery): AsyncIterableIterator<UsageSum & { key: string }>;
}

/** An `agentId` of "" stands for whichever agent it is. */
export interface Memory {
  store(memory: { agentId: string; content: string; metadata?: object; shared?: boolean; tags?: string[]; importance?: number; expiresAt?: string | Date }): Promise<MemoryItem>;
  /** Best first; without `q`, the newest first. With tags, those that have all of them; with metadata, those with these members. */
  search(query: {
    q?: string; agentId?: string; limit?: number; tags?: string[]; metadata?: Record<string, string | number | boolean>; minImportance?: number;
  }): Promise<{ results: { memory: MemoryItem; score: number }[] }>;
  get(agentId: string, id: string): Promise<MemoryItem>;
  delete(agentId: string, id: string): Promise<void>;
}

export interface Emotion {
  name: string;
  intensity: number;
  valence: number;
  arousal: number;
}

export interface Agent {
  id: string;
  name: string;
  description: string;
  status: 'stopped' | 'starting' | 'running' | 'stopping' | 'failed';
  statusReason?: string;
  skills: string[];
  brain: string | { provider: string; [option: string]: unknown };
  persona: string;
  metadata: object;
  emotion: Emotion;
  declared: boolean;
  revision: number;
  createdAt: string;
  updatedAt: string;
}

export interface NewAgent {
  id: string;
  name?: string;
  description?: string;
  skills?: string[];
  persona?: string;
  brain?: Agent['brain'];
  metadata?: object;
  /** Whether it runs from the beginning. Default true. */
  start?: boolean;
}

export interface AgentPatch {
  name?: string | null;
  description?: string | null;
  skills?: string[] | null;
  persona?: string | null;
  brain?: Agent['brain'] | null;
  metadata?: object | null;
}

export interface Message {
  id: string;
  conversationId: string;
  role: 'user' | 'agent' | 'system';
  content: string;
  agentId?: string;
  runId?: string;
  emotion?: Emotion;
  /** Whether the agent was cut off. */
  partial?: boolean;
  createdAt: string;
}

export interface Run {
  id: string;
  conversationId: string;
  agentId: string;
  principal: string;
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';
  reason?: string;
  error?: string;
  messageId: string;
  replyId?: string;
  /** Not in lists. */
  reply?: Message;
  /** The place in the log just before its first event. */
  since: string;
  queuedAt: string;
  startedAt?: string;
  finishedAt?: string;
  /** What models have used for it by now; absent where none was asked, and in lists. */
  usage?: UsageSum;
}

export interface Conversation extends ConversationSummary {
  messages: Message[];
  /** To older messages; "" at the end. */
  nextCursor: string;
  /** To newer ones; "" if there are none yet. */
  prevCursor: string;
}

export interface ConversationSummary {
  id: string;
  principal: string;
  title: string;
  agentId: string;
  archived: boolean;
  messageCount: number;
  revision: number;
  createdAt: string;
  updatedAt: string;
}

export interface MemoryItem {
  id: string;
  agentId: string;
  principal: string;
  shared: boolean;
  content: string;
  metadata: object;
  tags: string[];
  importance: number;
  expiresAt?: string;
  createdAt: string;
}

export interface RouteDecision {
  agentId: string;
  reason: string;
  threshold: number;
  candidates: RouteCandidate[];
}

export interface RouteCandidate {
  agentId: string;
  score: number;
  reasons: string[];
}

export interface SendAnswer {
  conversationId: string;
  runId: string;
  agentId: string;
  message: Message;
  /** Absent if it was not waited for. */
  reply?: Message;
  route?: RouteDecision;
}

interface Common<T extends string> {
  type: T;
  /** Its place in the log. */
  id: string;
  seq: number;
  prevSeq?: number;
  agentId?: string;
  conversationId?: string;
  runId?: string;
  time?: string;
}

/** What a type of event has beside the members that all have. */
interface Payloads {
  'agent:thought': { thought: string };
  'agent:emotion': { emotion: string; intensity: number; valence: number; arousal: number };
  'agent:action': { action: string; input: object; result: object };
  'agent:status': { status: Agent['status']; previous: Agent['status']; reason?: string; revision: number };
  'agent:updated': { revision: number };
  'agent:created': { revision: number };
  'agent:deleted': { revision: number };
  'chat:queued': { position: number; message: Message };
  'chat:started': { messageId: string };
  'chat:delta': { delta: string; index: number };
  'chat:reply': { reply: Message };
  'chat:failed': { reason: string; error?: string };
  'chat:cancelled': { reason: string; reply?: Message };
  /** Events between two places are not there any more: read the state anew. */
  gap: { requested: string; firstAvailable: string; head: string };
}

type EventsByType = { [T in keyof Payloads]: Common<T> & Payloads[T] };

export type Event = EventsByType[keyof EventsByType];
