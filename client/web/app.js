/** The page: what is clicked, what is shown. The session is `silent-refresh.js`, used as any page would use it. */

import { AuthUnavailable, InvalidCredentials, SessionError, createSession } from "./silent-refresh.js";
import { steal } from "./thief.js";
import { Timeline, isOver } from "./timeline.js";
import { WORDS } from "./words.js";

const MAX_EVENTS = 200;
/** @type {Intl.DateTimeFormatOptions} */
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 2, hourCycle: "h23" };
const LANGUAGE = "dualtoken-page language";
const $ = (/** @type {string} */ id) => document.getElementById(id);

/** @type {import("./words.js").Words} */ let words = WORDS.en;
const config = await (await fetch("config.json")).json();
const timeline = new Timeline($("timeline"));
/** @type {import("./timeline.js").Burst | null} */ let burst = null;

// ---- the transport: sends what the session sends, and notes when

/** @type {string | null} */ let lastAuthorization = null;
/** @type {string | null} */ let spoiled = null; // the resource service gets this one with its signature broken
let spoilNext = false;

/** @type {typeof fetch} */
async function send(input, init) {
  if (!(input instanceof Request)) return noteRefresh(String(input), () => fetch(input, init));
  const call = callOf(input);
  const authorization = input.headers.get("Authorization");
  if (spoilNext) [spoiled, spoilNext] = [authorization, false];
  lastAuthorization = authorization;
  if (authorization !== null && authorization === spoiled) input.headers.set("Authorization", `${authorization.slice(0, -8)}AAAAAAAA`);
  begin(call, "queued");
  await connection();
  const part = begin(call, "ok");
  try {
    const response = await fetch(input, init);
    part.kind = response.ok ? "ok" : "refused";
    return response;
  } catch (error) {
    part.kind = "failed";
    throw error;
  } finally {
    part.to = performance.now();
    freeConnection();
    begin(call, "waiting");
  }
}

// Over HTTP/1.1 a browser opens six connections to a host and queues the rest out of sight. Queued here instead, a
// request's bar is its time on the wire.
let free = 6;
/** @type {(() => void)[]} */ const queue = [];

async function connection() {
  if (free > 0) free -= 1;
  else await new Promise((granted) => queue.push(() => granted(undefined)));
}

function freeConnection() {
  const next = queue.shift();
  if (next) next();
  else free += 1;
}

async function noteRefresh(url, proceed) {
  const refresh = { from: performance.now(), to: /** @type {number | null} */ (null) };
  if (url.endsWith("/refresh") && burst && !isOver(burst)) burst.refreshes.push(refresh);
  try {
    return await proceed();
  } finally {
    refresh.to = performance.now();
  }
}

/** The fragment of the address, which no server sees, says which bar a request belongs to. @param {Request} request */
function callOf(request) {
  return burst?.calls[Number(new URL(request.url).hash.slice(1))];
}

function begin(call, kind) {
  const now = performance.now();
  const part = { kind, from: now, to: /** @type {number | null} */ (null) };
  const previous = call?.parts.at(-1);
  if (previous && previous.to === null) previous.to = now;
  call?.parts.push(part);
  return part;
}

// ---- the session

let ownLogin = false;
const session = createSession({
  authUrl: config.authUrl,
  origins: [config.apiUrl],
  fetch: send,
  onLoginRequired: ({ reason }) => {
    if (reason === "no_session") note(() => words.log.none);
    else note(() => words.log.ended(words.reasons[reason] ?? reason), "bad");
  },
  onRefresh: ({ by }) => note(() => (by === "this tab" ? words.log.refreshed : words.log.adopted), "refresh"),
  onChange: show,
});

// ---- what is clicked

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [name, password] = [$("username"), $("password")];
  $("login-problem").textContent = "";
  await busy($("login").querySelector("button"), async () => {
    try {
      ownLogin = true;
      const user = await session.login(name.value, password.value);
      note(() => words.log.loggedIn(user.username));
      $("home").focus();
    } catch (error) {
      $("login-problem").textContent = sentence(error);
      if (error instanceof InvalidCredentials) password.focus();
    } finally {
      password.value = "";
    }
  });
});

$("logout").addEventListener("click", () => leave({}));
$("logout-everywhere").addEventListener("click", () => leave({ everywhere: true }));

async function leave(scope) {
  try {
    await session.logout(scope);
    note(() => words.log.loggedOut);
  } catch (error) {
    report(error);
  }
  $("username").focus();
}

$("retry").addEventListener("click", () => busy($("retry"), () => session.restore()));
$("home").addEventListener("click", () => fire(1));
$("fifty").addEventListener("click", () => fire(50));
$("expire").addEventListener("click", () => {
  [spoiled, spoilNext] = [lastAuthorization, lastAuthorization === null];
  note(() => words.log.expired);
});

/** @param {number} total */
async function fire(total) {
  if (burst && !isOver(burst)) return;
  const began = performance.now();
  const calls = Array.from({ length: total }, () => ({ parts: [], done: false }));
  const current = (burst = { began, calls, refreshes: [] });
  $("timeline-empty").hidden = true;
  note(() => words.log.burst(total));
  const answers = calls.map(async (call, index) => {
    begin(call, "waiting");
    try {
      const response = await session.fetch(`${config.apiUrl}/home#${index}`);
      return { ok: response.ok, body: await response.json() };
    } catch (error) {
      return { ok: false, error };
    } finally {
      finish(call);
    }
  });
  timeline.show(current);
  setBusy(true);
  const settled = await Promise.all(answers);
  setBusy(false);
  conclude(current, settled);
}

function finish(call) {
  if (call.parts.at(-1).kind === "waiting") call.parts.pop(); // after the last answer nobody waits
  call.done = true;
}

let summary = () => "";
function conclude(current, settled) {
  const count = {
    total: settled.length,
    done: settled.filter(({ ok }) => ok).length,
    failed: settled.filter(({ ok }) => !ok).length,
    refreshes: current.refreshes.length,
    refused: current.calls.filter(({ parts }) => parts.some(({ kind }) => kind === "refused")).length,
  };
  summary = () => words.summary(count);
  $("summary").textContent = summary();
  $("timeline").setAttribute("aria-label", summary());
  note(() => words.summary(count), count.failed ? "bad" : "");
  const failure = settled.find(({ error }) => error)?.error;
  if (failure) report(failure);
  const answered = settled.find(({ ok }) => ok);
  $("answer").hidden = !answered;
  if (answered) $("answer").textContent = JSON.stringify(answered.body, null, 2);
}

$("steal").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = $("thief-password");
  $("thief-steps").replaceChildren();
  await busy($("steal").querySelector("button"), async () => {
    try {
      for await (const step of steal(config, { username: session.status.user.username, password: password.value })) {
        showStep(step);
      }
      note(() => words.log.stolen, "bad");
    } catch (error) {
      const text = error instanceof Response && error.status === 401 ? words.problems.InvalidCredentials : sentence(error);
      $("thief-steps").replaceChildren(item({ class: "end" }, text));
    } finally {
      password.value = "";
    }
  });
});

function showStep({ name, detail, status, outcome }) {
  const text = words.steps[name];
  const row = document.createElement("li");
  row.append(span(name === "end" ? "end" : "", typeof text === "function" ? text(detail) : text));
  if (outcome) row.append(span(status === 200 ? "outcome" : "outcome bad", outcome));
  $("thief-steps").append(row);
}

// ---- what is shown

let shown = "";
/** @param {import("./silent-refresh.js").Status} status */
function show(status) {
  const { state, user, reason, problem } = status;
  $("login").hidden = state !== "ended";
  $("active").hidden = state !== "active";
  $("banner").hidden = !(state === "unreachable" || (problem && state !== "restoring"));
  $("banner-text").textContent = problem ? sentence(problem) : words.problems.AuthUnavailable;
  $("state").textContent = state === "ended" ? (words.reasons[reason] ?? reason) : words.states[state];
  $("state").className = `pill ${state}${["reused", "revoked", "expired"].includes(reason) ? " alarming" : ""}`;
  $("thief-username").value = user?.username ?? "";
  $("user-name").textContent = user?.username ?? "";
  $("user-email").textContent = user?.email ?? "";
  for (const button of [...document.querySelectorAll(".requests button, #steal button")]) {
    button.disabled = state !== "active" || button.dataset.busy === "yes";
  }
  if (shown !== state && state === "active" && !ownLogin) note(() => words.log.restored(user.username));
  if (state !== "restoring") [shown, ownLogin] = [state, false];
  if (state !== "active") [lastAuthorization, spoiled, spoilNext] = [null, null, false];
  document.documentElement.dataset.state = state; // settled or not: for whoever drives this page
  countDown(status);
}

/** @type {Record<string, number>} */ const whole = {};
function countDown({ user, expiresInMs, refreshExpiresInMs }) {
  for (const [name, left] of [["access", expiresInMs], ["refresh", refreshExpiresInMs]]) {
    whole[name] = user ? Math.max(whole[name] ?? 0, left) : 0;
    $(`${name}-left`).textContent = words.left(Math.max(0, left ?? 0) / 1000);
    $(`${name}-bar`).style.transform = `scaleX(${whole[name] ? left / whole[name] : 0})`;
  }
}
setInterval(() => countDown(session.status), 250);

/** @type {{at: Date, text: () => string, kind: string}[]} */ const events = [];
function note(text, kind = "") {
  events.unshift({ at: new Date(), text, kind });
  events.length = Math.min(events.length, MAX_EVENTS);
  $("events").prepend(eventRow(events[0]));
  while ($("events").childElementCount > MAX_EVENTS) $("events").lastElementChild.remove();
}

function eventRow({ at, text, kind }) {
  const row = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString(document.documentElement.lang, CLOCK);
  row.append(time, span(kind, text()));
  return row;
}

function report(error) {
  const text = sentence(error);
  note(() => text, "bad");
}

/** @param {unknown} error */
function sentence(error) {
  const text = words.problems[error instanceof SessionError ? error.name : "other"] ?? words.problems.other;
  const wait = error instanceof AuthUnavailable && error.retryAfterMs ? words.waitSeconds(Math.ceil(error.retryAfterMs / 1000)) : "";
  return [text, wait].filter(Boolean).join(" ");
}

async function busy(button, work) {
  button.dataset.busy = "yes";
  button.disabled = true;
  try {
    return await work();
  } finally {
    delete button.dataset.busy;
    button.disabled = false;
  }
}

function setBusy(on) {
  // Not `disabled`: the focus would be lost in the middle of a keyboard user's work.
  for (const id of ["home", "fifty"]) $(id).setAttribute("aria-disabled", String(on));
}

function span(className, text) {
  const node = document.createElement("span");
  node.className = className;
  node.textContent = text;
  return node;
}

function item(attributes, text) {
  const node = document.createElement("li");
  node.append(span(attributes.class, text));
  return node;
}

// ---- languages

function speak(language) {
  words = WORDS[language] ?? WORDS.en;
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = words[node.dataset.t];
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", words[node.dataset.tLabel]);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  $("events").replaceChildren(...events.map(eventRow));
  $("summary").textContent = summary();
  timeline.words = words;
  timeline.draw();
  show(session.status);
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    speak(button.dataset.language);
    try {
      localStorage.setItem(LANGUAGE, button.dataset.language);
    } catch {
      // No room: the choice holds until the page is left.
    }
  });
}

function chosenLanguage() {
  try {
    return localStorage.getItem(LANGUAGE);
  } catch {
    return null;
  }
}

speak(chosenLanguage() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
