//! Commands whose every word is written down in `tests/cmd`.

#[test]
fn commands_answer_as_written() {
    let cache = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .env("RANKINE_CACHE", cache.path().to_str().unwrap())
        .env("COLUMNS", "100")
        .case("tests/cmd/*.toml");
}
