//! A page in headless Chromium: its scripts run, and a probe beside them does what a reader does and says what it found.
//!
//! `.ci/run` installs the browser. Where there is none, the tests say so and pass, unless `RANKINE_BROWSER` is `required`: `.ci/run` sets it where
//! it found or installed one.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Collects what goes wrong before and after; stands in front of the page's own script.
const WATCH: &str = "<script>const faults = []; \
    addEventListener('error', event => faults.push(event.message)); \
    document.addEventListener('securitypolicyviolation', event => faults.push(event.violatedDirective));</script>";

/// What the browser told of a page.
#[derive(Debug)]
pub struct Visit {
    /// The text of the element `findings`, which the probe adds.
    pub findings: String,
    /// What was written to the console.
    pub console: Vec<String>,
}

/// Loads `html` with `probe` as its last script, in a block of its own beside the list `faults`; `None`, with a word about it, where
/// there is no browser.
///
/// # Panics
/// When a browser is required and there is none, it does not run, or there are no findings.
#[track_caller]
pub fn visit(html: &str, probe: &str) -> Option<Visit> {
    let browser = browser()?;
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
    let (page, profile) = (folder.path().join("page.html"), folder.path().join("profile"));
    let probe = format!("<script>{{{probe}}}</script></body>");
    let html = html.replacen("<body>", &format!("<body>{WATCH}"), 1).replacen("</body>", &probe, 1);
    fs::write(&page, html).unwrap_or_else(|error| panic!("`{}`: {error}", page.display()));
    let out = Command::new(&browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000", "--window-size=1280,1600"])
        .arg("--dump-dom")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap_or_else(|error| panic!("`{}`: {error}", browser.display()));
    let (shown, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let findings = shown.split("<pre id=\"findings\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let findings = findings.unwrap_or_else(|| panic!("no findings\n{log}")).to_owned();
    Some(Visit { findings, console })
}

/// The browser, or `None` with a word about it.
#[track_caller]
fn browser() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var_os("RANKINE_BROWSER").is_some_and(|value| value == "required");
        assert!(
            !required,
            "`RANKINE_BROWSER` is `required`, and there is no browser: `apt-get install chromium`"
        );
        // Past the harness, which would swallow it; where even that is closed, the word is lost.
        drop(std::io::stderr().write_all(b"skipped: no chromium, so no page is tried in a browser\n"));
    }
    found
}
