/**
 * The place in the event log that the client holds: it has had everything up to there that is for it. A place goes from socket
 * to socket.
 */
export class Place {
  #id = '';
  #epoch = '';
  #seq = 0;
  #broken = false;

  /** The id to resume from; "" while there is none. */
  get id() {
    return this.#id;
  }

  /**
   * Takes a place that somebody has kept.
   *
   * @param {string} id
   */
  take(id) {
    [this.#epoch, this.#seq] = parse(id);
    this.#id = id;
    this.#broken = false;
  }

  /**
   * Takes the head that a subscribed frame names, if it is later: everything before it has been sent.
   *
   * @param {string} head
   */
  reach(head) {
    const [epoch, seq] = parse(head);
    if (epoch !== this.#epoch || seq > this.#seq) this.take(head);
  }

  /** Says that the log does not reach back to here: the gap that is next tells where it begins, before or behind. */
  breaks() {
    this.#broken = true;
  }

  /**
   * Looks at the next event of a socket, and holds its place unless there is something wrong with it.
   *
   * @param {{ type: string, id: string, seq: number, prevSeq?: number }} event
   * @returns {'next' | 'again' | 'lost'} again: it came already. lost: another event is missing before it.
   */
  pass(event) {
    const [epoch] = parse(event.id);
    const known = this.#id !== '' && epoch === this.#epoch;
    if (event.type === 'gap') {
      if (known && event.seq <= this.#seq && !this.#broken) return 'again';
    } else {
      if (known && event.seq <= this.#seq) return 'again';
      if (this.#broken || (this.#id !== '' && !known)) return 'lost';
      if (event.prevSeq !== undefined && event.prevSeq !== this.#seq) return 'lost';
    }
    this.take(event.id);
    return 'next';
  }
}

/**
 * @param {string} id
 * @returns {[epoch: string, seq: number]}
 */
function parse(id) {
  const at = id.lastIndexOf('-');
  return [id.slice(0, at), Number(id.slice(at + 1))];
}
