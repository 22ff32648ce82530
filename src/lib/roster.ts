/** A member knows its place, so that leaving costs no search. */
export interface Member {
  /** Kept by the roster; -1 outside of one. */
  place: number;
}

/**
 * Members that come and go fast, in no order. Not a Set: V8's leaves its outgrown tables linked to their successors, which keeps the dead
 * alive through scavenges.
 */
export class Roster<T extends Member> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: T): void {
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** Returns whether it was a member. */
  remove(member: T): boolean {
    const members = this.#members;
    const { place } = member;
    if (place === -1 || members[place] !== member) return false;
    member.place = -1;
    const last = members.pop() as T;
    if (last !== member) {
      members[place] = last;
      last.place = place;
    }
    return true;
  }

  /** A copy, so that members may leave while it is walked. */
  values(): T[] {
    return this.#members.slice();
  }
}
