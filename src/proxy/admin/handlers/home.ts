import { escapeHtml, htmlPage } from "../html.ts";
import {
  type AdminContext,
  type AdminPage,
  type AdminParameter,
  helpText,
  htmlType,
} from "../page.ts";

export const homePages: readonly AdminPage[] = [
  {
    path: "/",
    help: "Admin home page",
    answer: (_request, context) => ({ type: htmlType, body: home(context) }),
  },
  {
    path: "/help",
    help: "print out list of admin commands",
    answer: (_request, { pages }) => ({ body: helpText(pages) }),
  },
];

function home({ source, pages }: AdminContext): string {
  const rows = pages
    .filter(({ path, help }) => path !== "/" && !help.endsWith("(not supported)"))
    .map(row);
  const state = `${source.state}, up ${Math.floor(source.uptimeMs / 1000)} s, ${source.version}`;
  return htmlPage(
    "Heddle proxy",
    `<h1>Heddle proxy <small>${escapeHtml(state)}</small></h1>\n<table>\n${rows.join("\n")}\n</table>`,
  );
}

/** A link, or a form where there is something to choose; what changes something is a button. */
function row({ path, help, post, parameters = [] }: AdminPage): string {
  const method = post === true ? "post" : "get";
  const inputs = parameters.map(input).join("");
  const name =
    post === true || parameters.length > 0
      ? `<form method="${method}" action="${path}"><button>${path}</button>${inputs}</form>`
      : `<a href="${path}">${path}</a>`;
  return `<tr><td>${name}</td><td>${escapeHtml(help)}</td></tr>`;
}

function input({ name, help, choices }: AdminParameter): string {
  const title = `title="${escapeHtml(help)}"`;
  // An untouched field must not be sent: for Envoy's flags, being there is being set.
  const off = `onchange="this.name=this.value===''||this.type==='checkbox'&&!this.checked?'':'${name}'"`;
  if (choices !== undefined) {
    const options = ["", ...choices.filter((choice) => choice !== "")]
      .map((choice) => `<option>${choice}</option>`)
      .join("");
    return `<label ${title}>${name} <select ${off}>${options}</select></label>`;
  }
  if (takesText.has(name)) return `<label ${title}>${name} <input size="12" ${off}></label>`;
  return `<label ${title}><input type="checkbox" ${off}> ${name}</label>`;
}

const takesText: ReadonlySet<string> = new Set([
  "filter",
  "resource",
  "mask",
  "name_regex",
  "paths",
]);
