/** Login page of the local issuer. */

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

/**
 * Builds the page.
 *
 * @param client name of the client that logs in
 * @param problem error of the last attempt
 */
export const renderLoginPage = (client: string, problem: string | undefined): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; display: grid; place-items: center; min-height: 100vh; background: #f4f5f7; color: #1c2330; }
form { background: #fff; padding: 2rem; border-radius: 8px; width: min(26rem, 90vw); box-sizing: border-box; box-shadow: 0 1px 4px #0003; }
h1 { font-size: 1.25rem; margin: 0 0 .5rem; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; border: 1px solid #8a93a3; border-radius: 4px; }
button { font: inherit; font-weight: 600; margin-top: 1rem; padding: .5rem 1rem; border: 0; border-radius: 4px; background: #1f5fd0; color: #fff; cursor: pointer; }
[role=alert] { color: #a11; }
</style>
</head>
<body>
<form method="post">
<h1>Log in</h1>
<p>to ${escapeHtml(client)}</p>
${problem === undefined ? "" : `<p role="alert">${escapeHtml(problem)}</p>\n`}<label for="token">Personal access token</label>
<input id="token" name="token" type="password" autocomplete="off" required autofocus>
<button type="submit">Log in</button>
</form>
</body>
</html>
`;
