// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { TaskList } from "../src/page/list";
import type { TaskJson, TaskStatus } from "../src/page/messages";

const task = (id: string, status: TaskStatus): TaskJson =>
  ({ task: id, title: `Case ${id}`, kind: "read", status, due: null, flagged: false, reason: "", readable: true });

it("keeps the keyboard at its case when news of the list come", () => {
  const list = new TaskList(() => undefined, null);
  document.body.append(list.element);
  const focused = (): string | undefined => (document.activeElement as HTMLElement).dataset["nbannotTask"];
  list.draw([task("1", "submitted"), task("2", "to do"), task("3", "to do")], "study");
  list.focus();
  expect(focused()).toBe("2");
  list.draw([task("1", "submitted"), task("2", "in work"), task("3", "to do")], "study");
  expect(focused()).toBe("2");
  // A case that is gone leaves it nowhere, and a list that has not the focus does not take it.
  list.draw([task("3", "to do")], "study");
  expect(focused()).toBeUndefined();
  list.draw([task("3", "in work")], "study");
  expect(focused()).toBeUndefined();
});
