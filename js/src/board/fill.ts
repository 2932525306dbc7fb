/** What the board shows: texts only, whatever they contain. */
export interface Row {
  task: string;
  number: number;
  title: string;
  status: string;
  note: string;
  flagged: boolean;
  now: boolean;
}

export interface Remark {
  id: number;
  who: string;
  text: string;
  place: boolean;
  resolved: boolean;
}

export interface Shown {
  head: string;
  note: string;
  error: boolean;
  missing: string[];
  rows: Row[];
  comments: Remark[];
  /** Who else is in the open case; `on`: who is followed. */
  people: { name: string; on: boolean }[];
  pictures: boolean;
  writes: boolean;
}

type Send = (message: Record<string, unknown>) => void;

export interface Filled {
  /** Show it, and return the places of the pictures. */
  show(shown: Shown): HTMLElement[];
  clear(): void;
  write(): void;
}

export function fill(el: HTMLElement, send: Send): Filled {
  const document = el.ownerDocument;
  const make = <K extends keyof HTMLElementTagNameMap>(tag: K, name: string, text = ""): HTMLElementTagNameMap[K] => {
    const made = document.createElement(tag);
    made.className = `nbannot-board-${name}`;
    made.textContent = text;
    return made;
  };
  const head = make("div", "head");
  const note = make("div", "note");
  note.setAttribute("role", "status");
  const people = make("div", "people");
  const list = make("ol", "list");
  list.setAttribute("aria-label", "Cases");
  const said = make("ul", "said");
  said.setAttribute("aria-label", "Comments");
  const text = make("textarea", "text");
  text.setAttribute("aria-label", "Comment or reason");
  text.placeholder = "Comment, or reason";
  text.maxLength = 10_000;
  text.rows = 2;
  text.addEventListener("input", () => send({ type: "draft", text: text.value }));
  const button = make("button", "comment", "Comment");
  button.type = "button";
  button.title = "Add the comment at the crosshair (Alt+C writes one)";
  button.addEventListener("click", () => send({ type: "comment", text: text.value }));
  el.replaceChildren(head, note, people, list, said, text, button);

  const entry = (row: Row, pictures: boolean): [HTMLElement, HTMLElement | undefined] => {
    const line = document.createElement("li");
    const open = make("button", "row");
    open.type = "button";
    open.dataset.nbannotTask = row.task;
    open.dataset.nbannotStatus = row.status;
    if (row.now) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => send({ type: "open", task: row.task }));
    const place = make("span", "picture");
    place.dataset.nbannotPicture = String(row.number);
    if (pictures) open.append(place);
    const words = make("span", "words");
    const flag = row.flagged ? make("span", "flag", "\u2691 flagged ") : "";
    const status = make("span", "status", row.note ? `${row.status} \u00b7 ${row.note}` : row.status);
    words.append(make("strong", "title", row.title), flag, status);
    open.append(words);
    line.append(open);
    return [line, pictures ? place : undefined];
  };

  const remark = (one: Remark): HTMLElement => {
    const line = make("li", one.resolved ? "resolved" : "remark");
    line.append(make("span", "who", `${one.who}: `), one.text);
    if (one.place) {
      const there = make("button", "there", "Show");
      there.type = "button";
      there.addEventListener("click", () => send({ type: "goto", comment: one.id }));
      line.append(there);
    }
    return line;
  };

  return {
    show(shown) {
      head.textContent = shown.head;
      note.setAttribute("role", shown.error ? "alert" : "status");
      note.dataset.nbannotSaid = shown.error ? "error" : "note";
      note.replaceChildren(shown.note);
      if (shown.missing.length) {
        const missing = document.createElement("ul");
        for (const one of shown.missing) missing.append(make("li", "missing", one));
        note.append(missing);
      }
      people.replaceChildren(...shown.people.map(({ name, on }) => {
        const one = make("button", "person", on ? `Following ${name}` : name);
        one.type = "button";
        one.dataset.nbannotPerson = name;
        one.setAttribute("aria-pressed", String(on));
        one.title = on ? "Go on by yourself; so does scrolling" : `${name} is in this case: follow`;
        one.addEventListener("click", () => send({ type: "follow", person: on ? null : name }));
        return one;
      }));
      const top = list.scrollTop;
      const entries = shown.rows.map((row) => entry(row, shown.pictures));
      list.replaceChildren(...entries.map(([line]) => line));
      list.scrollTop = top;
      const now = list.querySelector<HTMLElement>("[aria-current]");
      if (now) {
        const [high, low] = [now.offsetTop - list.offsetTop, now.offsetTop - list.offsetTop + now.offsetHeight];
        if (high < list.scrollTop) list.scrollTop = high;
        else if (low > list.scrollTop + list.clientHeight) list.scrollTop = low - list.clientHeight;
      }
      said.replaceChildren(...shown.comments.map(remark));
      text.hidden = button.hidden = !shown.writes;
      return entries.flatMap(([, place]) => (place ? [place] : []));
    },
    clear() {
      text.value = "";
    },
    write: () => text.focus(),
  };
}
