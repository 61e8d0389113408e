use rankine_testkit::{assert_close, fixtures};
use rankine_train::Confusion;

#[test]
fn metrics_are_those_of_scikit_learn() {
    let json: serde_json::Value = serde_json::from_str(include_str!("../fixtures/metrics.json")).unwrap();
    let cases = fixtures::items(&json["cases"]);
    assert_eq!(cases.len(), 8);
    for case in cases {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let mut confusion = Confusion::new(classes);
        for (label, guess) in fixtures::tokens(&case["labels"]).iter().zip(fixtures::tokens(&case["guesses"]))
        {
            confusion.add(*label as usize, guess as usize);
        }
        let f1: Vec<f64> = (0..classes).map(|class| confusion.f1(class)).collect();
        assert_close!(f1, fixtures::doubles(&case["f1"]), absolute = 1e-12, "{}", case["name"]);
        let found = [confusion.accuracy(), confusion.macro_f1(), confusion.matthews()];
        let expected = ["accuracy", "macro_f1", "matthews"].map(|key| case[key].as_f64().unwrap());
        assert_close!(found, expected, absolute = 1e-12, "{}", case["name"]);
    }
}
