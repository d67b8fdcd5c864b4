/** What stands for all agents, or all events. */
const EVERYTHING = '*';

/** How many agents the server lets one frame name. */
const MAX_NAMED = 256;

/**
 * Which events somebody is to have: those of these agents, by these names. A list that is absent, or has a * in it, means all;
 * an agent that does not exist yet is one of all, and so is no agent.
 */
export class Filter {
  /** @param {{ agents?: string[], events?: string[] }} [lists] */
  constructor({ agents, events } = {}) {
    this.agents = everything(agents) ? undefined : agents;
    this.events = everything(events) ? undefined : events;
  }

  /**
   * The smallest one that is written as two lists and lets through all that any of these does.
   *
   * @param {Filter[]} filters
   */
  static union(filters) {
    const agents = merge(filters.map((f) => f.agents));
    return new Filter({ agents: agents && agents.length > MAX_NAMED ? undefined : agents, events: merge(filters.map((f) => f.events)) });
  }

  /** @param {{ type: string, agentId?: string }} event */
  lets(event) {
    if (this.agents && !(event.agentId && this.agents.includes(event.agentId))) return false;
    return !this.events || this.events.some((name) => names(name, event.type));
  }

  /** The members of a subscribe frame. */
  lists() {
    return { ...(this.agents && { agents: this.agents }), ...(this.events && { events: this.events }) };
  }
}

/** @param {string[] | undefined} list */
function everything(list) {
  return list === undefined || list.includes(EVERYTHING);
}

/** @param {(string[] | undefined)[]} lists */
function merge(lists) {
  return lists.some(everything) ? undefined : [...new Set(lists.flatMap((l) => l ?? []))];
}

/**
 * Reports whether a name means a type: in full ("agent:thought"), short ("thought"), or by family ("agent:*").
 *
 * @param {string} name
 * @param {string} type
 */
function names(name, type) {
  const [family, short] = type.split(':');
  return name === type || name === short || name === `${family}:*`;
}
