// The network between a server and a visitor: how fast it is, and how much it carried. It stands in the server, because
// what a browser emulates for a page does not reach the page's workers.

import { Duplex } from "node:stream";

/** How often bytes are let through, in milliseconds. */
const SLICE = 10;
/** The most time that the server may be late by and make up for, in milliseconds. */
const LATE = 100;
/** The most bytes that a connection sends before it is another one's turn. */
const TURN = 16_384;
/** Bytes that go together, as in a packet: a visitor who gets each byte as soon as it may come is busy with nothing else. */
const PACKET = 1_460;

/** A line that all connections of a server share: one bucket of bytes that may be sent, which time fills. */
export class Link {
  /** Bytes a millisecond; 0 where nothing holds them up. */
  #rate;
  #latency;
  #credit = 0;
  #then = performance.now();
  /** What each connection wants to send: `{ socket, bytes, done }`. */
  #waiting = [];
  #timer;
  #sockets = new Set();
  /** Bytes of connections that have ended. */
  #carried = 0;

  /**
   * `megabits` a second go to the visitor; 0: as fast as it gets, without latency. A request arrives `latency`
   * milliseconds after it was sent.
   */
  constructor({ megabits = 0, latency = 0 } = {}) {
    this.#rate = megabits * 125;
    this.#latency = latency;
  }

  /** Bytes that were sent so far, headers included. */
  get bytes() {
    return [...this.#sockets].reduce((sum, socket) => sum + socket.bytesWritten, this.#carried);
  }

  /** What the server is to use in place of the socket. */
  join(socket) {
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#carried += socket.bytesWritten;
    });
    if (this.#rate === 0) return socket;
    return new Connection(socket, this.#latency, (bytes, done) => this.#send({ socket, bytes, done }));
  }

  /** Ends all connections. */
  end() {
    for (const socket of this.#sockets) socket.destroy();
  }

  #send(message) {
    const passed = this.#fill();
    // A line that nobody used saves nothing up. Between two parts of a file it is hardly unused.
    if (this.#waiting.length === 0) {
      this.#credit = Math.min(this.#credit, (passed > SLICE ? SLICE : LATE) * this.#rate);
    }
    this.#waiting.push(message);
    this.#pass();
  }

  /** Adds what the time since the last call allows; answers with that time. */
  #fill() {
    const now = performance.now();
    const passed = now - this.#then;
    this.#then = now;
    this.#credit += passed * this.#rate;
    return passed;
  }

  /** Sends what may be sent now, and comes back for the rest. */
  #pass() {
    const next = () => Math.min(this.#waiting[0].bytes.length, PACKET);
    while (this.#waiting.length > 0 && this.#credit >= next()) {
      const { socket, bytes, done } = this.#waiting.shift();
      const count = Math.min(bytes.length, TURN, Math.floor(this.#credit));
      this.#credit -= count;
      // The next bytes of a connection wait until the system has taken these: a visitor who reads slowly holds up itself.
      socket.write(bytes.subarray(0, count), (error) => {
        if (error || count === bytes.length) done(error);
        else this.#send({ socket, bytes: bytes.subarray(count), done });
      });
    }
    if (this.#waiting.length === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#fill();
      this.#pass();
    }, SLICE);
  }
}

/** A socket whose requests come late and whose answers go out by `send(bytes, done)`. */
class Connection extends Duplex {
  #socket;
  #send;

  constructor(socket, latency, send) {
    super();
    this.#socket = socket;
    this.#send = send;
    const later = (part) => setTimeout(() => this.destroyed || this.push(part), latency);
    socket.on("data", later);
    socket.on("end", () => later(null));
    // Visitors leave in the middle of an answer; "close" follows.
    socket.on("error", () => undefined);
    socket.on("close", () => this.destroy());
  }

  _read() {}

  _write(bytes, _encoding, done) {
    this.#send(bytes, done);
  }

  _final(done) {
    this.#socket.end(done);
  }

  _destroy(error, done) {
    this.#socket.destroy();
    done(error);
  }
}
