//! A page in headless Chromium: its scripts run, and a probe beside them does what a reader does and says what it found.
//!
//! `.ci/run` installs the browser. Where there is none, the tests say so and pass, unless `RANKINE_BROWSER` is `required`: `.ci/run` sets it where
//! it found or installed one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pages::model;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Collects what goes wrong before and after; stands in front of the page's own script.
const WATCH: &str = "<script>const faults = []; \
    addEventListener('error', event => faults.push(event.message)); \
    document.addEventListener('securitypolicyviolation', event => faults.push(event.violatedDirective));</script>";

/// What the browser told of a page.
struct Visit {
    findings: String,
    console: Vec<String>,
}

/// The browser, or `None` with a word about it.
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
        // Past the harness, which would swallow it.
        std::io::stderr().write_all(b"skipped: no chromium, so no page is tried in a browser\n").unwrap();
    }
    found
}

/// Loads `html` with `probe` as its last script.
fn visit(browser: &Path, html: &str, probe: &str) -> Visit {
    let folder = tempfile::tempdir().unwrap();
    let (page, profile) = (folder.path().join("page.html"), folder.path().join("profile"));
    let probe = format!("<script>{{{probe}}}</script></body>");
    let html = html.replacen("<body>", &format!("<body>{WATCH}"), 1).replacen("</body>", &probe, 1);
    fs_err::write(&page, html).unwrap();
    let out = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--window-size=1280,1600",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let (shown, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let findings = shown.split("<pre id=\"findings\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    Visit { findings: findings.unwrap_or_else(|| panic!("no findings\n{log}")).to_owned(), console }
}

#[test]
fn a_reader_sorts_filters_and_explores() {
    let Some(browser) = browser() else { return };
    let seen = visit(&browser, &model().html(), include_str!("probe.js"));
    assert_eq!(seen.findings, include_str!("findings.txt").trim_end());
    assert_eq!(seen.console, [""; 0]);
}

#[test]
fn a_fault_on_a_page_is_seen() {
    let Some(browser) = browser() else { return };
    let probe = "document.body.append(Object.assign(document.createElement('pre'), { id: 'findings' })); \
        throw new Error('thrown on purpose');";
    let seen = visit(&browser, &model().html(), probe);
    assert!(seen.console.iter().any(|line| line.contains("thrown on purpose")), "{:?}", seen.console);
}
