/** Bookinfo's HTML. */

const style = `
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5c667a; --paper: #faf7f1; --card: #fff; --line: #e6dfd2; --accent: #8a3324 }
@media (prefers-color-scheme: dark) { :root { --ink: #ece6da; --soft: #a8a294; --paper: #17191f; --card: #20232b; --line: #343842; --accent: #e08e6d } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 Georgia, "Times New Roman", serif }
a { color: var(--accent) }
header { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; justify-content: space-between; padding: .9rem 1.5rem; border-bottom: 1px solid var(--line) }
header strong { letter-spacing: .04em }
header form { display: flex; gap: .5rem; margin: 0 }
input, button { font: inherit; font-size: .9rem; padding: .3rem .7rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--card); color: var(--ink) }
button { background: var(--accent); border-color: var(--accent); color: var(--paper); cursor: pointer }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 4rem }
h1 { font-size: 2.3rem; line-height: 1.15; margin: .5rem 0 1rem }
h2 { font-size: 1.15rem; margin: 0 0 1rem }
.lead { max-width: 42rem }
.columns { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: 1.5rem; margin-top: 2rem }
@media (max-width: 46rem) { .columns { grid-template-columns: 1fr } }
section { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1.3rem 1.5rem }
dl { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1.2rem; margin: 0 }
dt { color: var(--soft) }
dd { margin: 0 }
blockquote { margin: 0 0 1.4rem; padding: 0 }
blockquote p { margin: 0 0 .3rem }
cite { color: var(--soft); font-size: .9rem }
.stars { font-size: 1.25rem; letter-spacing: .1em; margin-left: .5rem; font-style: normal }
.black { color: var(--ink) } .red { color: #d2352b }
.problem { border-left: 4px solid #d2352b; padding-left: 1rem }
.served { color: var(--soft); font-size: .85rem; margin: 1rem 0 0 }
`;

export function landingPage(product) {
  return page(
    "Bookinfo",
    "",
    `<h1>Bookinfo</h1>
<p class="lead">A bookshop with one book and four services. <code>productpage</code> asks <code>details</code> and
<code>reviews</code>; two of the three releases of <code>reviews</code> ask <code>ratings</code>. Each program has a proxy at its side,
and what you tell the mesh decides who answers.</p>
<p><a href="/productpage">${escapeHtml(product.title)} &rarr;</a></p>`,
  );
}

export function productPage({ product, user, details, reviews }) {
  return page(
    `${product.title} - Bookinfo`,
    account(user),
    `<h1>${escapeHtml(product.title)}</h1>
<p class="lead">${escapeHtml(product.description)}</p>
<div class="columns">
<section id="details"><h2>Book details</h2>${detailsPart(details)}</section>
<section id="reviews"><h2>Book reviews</h2>${reviewsPart(reviews)}</section>
</div>`,
  );
}

function page(title, right, body) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header><a href="/" style="text-decoration:none;color:inherit"><strong>Bookinfo</strong></a>${right}</header>
<main>
${body}
</main>
</body>
</html>
`;
}

function account(user) {
  if (user === undefined)
    return `<form method="post" action="/login"><input name="username" aria-label="User name" placeholder="jason" autocomplete="off" required><button>Sign in</button></form>`;
  return `<span>signed in as <b id="user">${escapeHtml(user)}</b> &middot; <a href="/logout">Sign out</a></span>`;
}

const detailNames = {
  author: "Author",
  year: "Year",
  type: "Type",
  pages: "Pages",
  publisher: "Publisher",
  language: "Language",
  "ISBN-10": "ISBN-10",
  "ISBN-13": "ISBN-13",
};

function detailsPart({ body, why, status }) {
  if (body === undefined)
    return problem("Sorry, product details are currently unavailable for this book.", why, status);
  const rows = Object.entries(detailNames).map(
    ([key, name]) => `<dt>${name}</dt><dd>${escapeHtml(body[key] ?? "")}</dd>`,
  );
  return `<dl>${rows.join("\n")}</dl>`;
}

function reviewsPart({ body, why, status }) {
  if (body === undefined)
    return problem("Sorry, product reviews are currently unavailable for this book.", why, status);
  const quotes = body.reviews.map(
    ({ reviewer, text, rating }) =>
      `<blockquote><p>${escapeHtml(text)}</p><cite>${escapeHtml(reviewer)}</cite>${stars(rating)}</blockquote>`,
  );
  return `${quotes.join("\n")}<p class="served">Reviews served by: <span id="served-by">${escapeHtml(body.podname)}</span></p>`;
}

function stars(rating) {
  if (rating === undefined) return "";
  if (rating.error !== undefined) return `<p class="problem">${escapeHtml(rating.error)}</p>`;
  const count = Math.min(5, Math.max(0, Number(rating.stars)));
  const drawn = "\u2605".repeat(count) + "\u2606".repeat(5 - count);
  const color = rating.color === "red" ? "red" : "black";
  return `<span class="stars ${color}" role="img" aria-label="${count} of 5 ${color} stars">${drawn}</span>`;
}

function problem(text, why, status) {
  const cause = status === 0 ? why : `the answer was ${status}`;
  return `<p class="problem">${text}<br><small>${escapeHtml(cause)}</small></p>`;
}

function escapeHtml(value) {
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
