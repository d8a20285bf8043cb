// Express + jsonwebtoken, as the usual double-token tutorial writes it: two HS256 tokens, nothing stored, so that a
// refresh is one verification and two signatures. It can revoke nothing and notices no replay.
// Secrets are strings, as everybody passes them: jsonwebtoken then tries at each call to read them as PEM keys, and fails
// (0.3 ms). With KEY_OBJECTS=1 they are KeyObjects made once, the best that it can do.
// NODE_ENV=production is set by the benchmark; Express's ETag is off, as for any API of changing answers.
import crypto from "node:crypto";
import express from "express";
import jwt from "jsonwebtoken";

const secret = (given) => {
  const text = given ?? crypto.randomBytes(32).toString("base64");
  return process.env.KEY_OBJECTS ? crypto.createSecretKey(Buffer.from(text)) : text;
};
const ACCESS = secret(process.env.ACCESS_KEY); // the benchmark signs with it, too
const REFRESH = secret();
const user = { username: "zs", email: "zs@example.com", scope: "read write" };

const pair = (sub) => ({
  token_type: "Bearer",
  access_token: jwt.sign(user, ACCESS, { subject: sub, expiresIn: "1h", jwtid: crypto.randomUUID() }),
  expires_in: 3600,
  refresh_token: jwt.sign({}, REFRESH, { subject: sub, expiresIn: "7d", jwtid: crypto.randomUUID() }),
});

const app = express();
app.disable("etag");
app.disable("x-powered-by");
app.use(express.json());

app.post("/refresh", (request, response) => {
  try {
    const { sub } = jwt.verify(request.body.refresh_token, REFRESH, { algorithms: ["HS256"] });
    response.json(pair(sub));
  } catch {
    response.status(400).json({ error: "invalid_grant" });
  }
});

app.get("/home", (request, response) => {
  try {
    const [, token] = request.get("authorization").split(" ");
    const { iat, exp, ...claims } = jwt.verify(token, ACCESS, { algorithms: ["HS256"] });
    response.json({ status: "success", message: `Hello, ${claims.username}!`, data: { ...claims, iat, exp } });
  } catch {
    response.status(401).json({ error: "invalid_token" });
  }
});

const server = app.listen(0, "127.0.0.1", () => {
  const tokens = Array.from({ length: Number(process.env.SESSIONS) }, (_, n) => pair(String(n)).refresh_token);
  console.log(JSON.stringify({ port: server.address().port, tokens }));
});
server.keepAliveTimeout = 120_000;
