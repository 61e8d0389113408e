//! A page in headless Chromium, where there is one.

use crate::pages::model;
use rankine_testkit::browser::visit;

#[test]
fn a_reader_sorts_filters_and_explores() {
    let Some(seen) = visit(&model().html(), include_str!("probe.js")) else { return };
    assert_eq!(seen.findings, include_str!("findings.txt").trim_end());
    assert_eq!(seen.console, [""; 0]);
}

#[test]
fn a_fault_on_a_page_is_seen() {
    let probe = "document.body.append(Object.assign(document.createElement('pre'), { id: 'findings' })); \
        throw new Error('thrown on purpose');";
    let Some(seen) = visit(&model().html(), probe) else { return };
    assert!(seen.console.iter().any(|line| line.contains("thrown on purpose")), "{:?}", seen.console);
}
