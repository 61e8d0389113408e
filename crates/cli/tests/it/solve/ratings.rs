//! Ratings, with the names of users and items.

use super::{json, refused};
use crate::common::run;
use rankine_data::arrays::npz::Npz;
use serde_json::Value;

#[test]
fn ratings_are_completed_and_keep_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |user: usize, item: usize| format!("u{user},film {item},{},0\n", (user + 1) * (item + 2));
    let places = (0..12).flat_map(|user| (0..10).map(move |item| (user, item)));
    let lines: String =
        places.filter(|(user, item)| (user + item) % 4 != 3).map(|(user, item)| line(user, item)).collect();
    std::fs::write(folder.join("ratings.csv"), format!("user,item,rating,time\n{lines}")).unwrap();
    let arguments = ["complete", "ratings.csv", "--rank", "1", "--holdout", "0.1", "--output", "factors.npz"];
    let answer = json(folder, 0, &arguments);
    assert!(answer["facts"]["holdout_rmse"].as_f64().unwrap() < 1e-4, "{answer}");
    let mut factors = Npz::open(&folder.join("factors.npz")).unwrap();
    assert_eq!(factors.names(), ["left", "right", "users", "items"]);
    let (left, right) = (factors.array("left").unwrap(), factors.array("right").unwrap());
    assert_eq!((left.shape.as_slice(), right.shape.as_slice()), ([12, 1].as_slice(), [10, 1].as_slice()));
    // Not among the ratings: user 0 and film 3, the ninth that is met.
    assert!((left.values[0] * right.values[8] - 5.0).abs() < 1e-3);
    let named = json(folder, 0, &["complete", "ratings.csv", "--rank", "1", "--columns", "item,user,3"]);
    assert!(named["problem"].as_str().unwrap().contains("10 rows and 12 columns"), "{named}");
    refused(folder, &["complete", "ratings.csv", "--columns", "user,item,stars"], "no column `stars`");
    refused(folder, &["complete", "ratings.csv", "--rank", "40"], "`rank` is 40");
    std::fs::write(folder.join("bad.csv"), "u,i,3\nu,j,good\n").unwrap();
    refused(folder, &["complete", "bad.csv"], "`bad.csv`: line 2, column 3: `good` is no number");
    refused(
        folder,
        &["complete", "bad.csv"],
        "hint: write numbers with a point; where the first three columns",
    );
    refused(folder, &["complete", "bad.csv", "--columns", "1,2,3"], "hint: write plain numbers with a point");
    std::fs::write(folder.join("bad.csv"), "u,\"i\ni\",3\n").unwrap();
    refused(folder, &["complete", "bad.csv"], "`bad.csv`: line 1: a quote is opened and not closed");
    std::fs::write(folder.join("bad.csv"), "user,item,rating\nu,i,3\n\nu,j,2\nu,i,4\n").unwrap();
    refused(folder, &["complete", "bad.csv"], "`bad.csv`: lines 2 and 5: what `u` gives `i` is given twice");
    std::fs::write(folder.join("bad.csv"), "u,i,3\nu,j,nan\n").unwrap();
    refused(folder, &["complete", "bad.csv"], "line 2: what `u` gives `j` is no finite number");
}

/// MovieLens 100k, 1M and later, and a table that R wrote: names that are not contiguous are kept.
#[test]
fn files_of_ratings_are_read_as_they_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let places = || (0..12).flat_map(|user| (0..10).map(move |item| (user, item)));
    let written = |head: &str, line: &dyn Fn(usize, usize, usize) -> String| -> String {
        let lines = places().filter(|(user, item)| (user + item) % 4 != 3);
        head.to_owned()
            + &lines.map(|(i, j)| line(7 * i + 3, 1000 - 31 * j, (i + 1) * (j + 2))).collect::<String>()
    };
    let head = "\"\",\"s\",\"d\",\"studage\",\"y\"\n";
    for (name, text, columns) in [
        ("u.data", written("", &|u, i, r| format!("{u}\t{i}\t{r}\t881250949\n")), None),
        (
            "ratings.csv",
            written("userId,movieId,rating,timestamp\n", &|u, i, r| format!("{u},{i},{r}.0,9\n")),
            None,
        ),
        ("ratings.dat", written("", &|u, i, r| format!("{u}::{i}::{r}::978300760\n")), None),
        (
            "InstEval.csv",
            written(head, &|u, i, r| format!("\"1\",\"{u}\",\"{i}\",\"2\",{r}\n")),
            Some("s,d,y"),
        ),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
        let mut arguments = vec!["complete", name, "--rank", "1", "--ridge", "0", "--output", "factors.npz"];
        arguments.extend(columns.into_iter().flat_map(|columns| ["--columns", columns]));
        let answer = json(folder, 0, &arguments);
        assert!(
            answer["problem"].as_str().unwrap().starts_with("90 entries of 12 rows and 10 columns"),
            "{answer}"
        );
        let mut factors = Npz::open(&folder.join("factors.npz")).unwrap();
        assert_eq!(factors.names(), ["left", "right", "users", "items"]);
        let (left, right) = (factors.array("left").unwrap(), factors.array("right").unwrap());
        // Not among the ratings: user 3, the first, and item 907, the ninth that is met.
        let found = left.values[0] * right.values[8];
        assert!((found - 5.0).abs() < 1e-3, "{name}: {found}");
    }
}

#[test]
fn a_rating_that_reads_as_a_remark_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let limits = ["complete", "ratings.csv", "--rank", "1", "--ridge", "0.1", "--steps", "2"];
    let warning = |text: &str| {
        std::fs::write(folder.join("ratings.csv"), text).unwrap();
        let output = run(folder, &[&["solve"][..], &limits, &["--json"]].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["warning"].clone()
    };
    let said = warning("# user,item,rating\na,b,3\n#a,c,4\nd,b,2\n");
    assert!(said.as_str().unwrap().starts_with("line 3 begins with `#`"), "{said}");
    assert!(warning("# user,item,rating\na,b,3\n\"#a\",c,4\nd,b,2\n").is_null());
}

#[test]
fn ratings_without_a_ridge_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // No matrix of rank 1.
    let line = |user: usize, item: usize| format!("u{user},f{item},{}\n", (user * 7 + item * 3) % 5 + 1);
    let places = (0..12).flat_map(|user| (0..10).map(move |item| (user, item)));
    let lines: String = places.map(|(user, item)| line(user, item)).collect();
    std::fs::write(folder.join("ratings.csv"), lines).unwrap();
    let chosen = json(folder, 0, &["complete", "ratings.csv", "--rank", "1", "--holdout", "0.1"]);
    assert_eq!(chosen["outcome"], "stalled");
    assert!(chosen["note"].as_str().unwrap().contains("no longer falls"), "{chosen}");
    assert!(chosen["problem"].as_str().unwrap().ends_with("(chosen)"), "{chosen}");
    assert!(chosen["facts"]["ridge"].is_number() && chosen["remedy"].is_null(), "{chosen}");
    let limits = ["--rank", "1", "--steps", "1", "--tolerance", "0"];
    let remedy = |problem: &[&str]| {
        let answer = json(folder, 1, &[&["complete"][..], problem, &limits].concat());
        answer["remedy"].as_str().unwrap().to_owned()
    };
    assert!(remedy(&["ratings.csv", "--ridge", "0"]).contains("leave `--ridge` out"));
    assert!(!remedy(&["ratings.csv", "--ridge", "0.05"]).contains("--ridge"));
    assert!(!remedy(&["--random", "rows=60", "columns=50", "share=0.5"]).contains("--ridge"));
}

#[test]
fn a_start_goes_by_the_names_of_users_and_items() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |(user, item): (usize, usize)| {
        format!("u{user},film {item},{:.2}\n", 0.01 * ((user + 1) * (item + 2)) as f64)
    };
    let places = (0..12).flat_map(|user| (0..10).map(move |item| (user, item)));
    let lines: Vec<String> = places.filter(|(user, item)| (user + item) % 4 != 3).map(line).collect();
    let turned: String = lines.iter().rev().map(String::as_str).collect();
    std::fs::write(folder.join("ratings.csv"), lines.concat()).unwrap();
    let problem = ["complete", "ratings.csv", "--rank", "1", "--ridge", "0"];
    json(folder, 0, &[&problem[..], &["--output", "factors.npz"]].concat());
    let begin = |text: &str| -> Value {
        std::fs::write(folder.join("ratings.csv"), text).unwrap();
        // Such a step leaves an answer where it is.
        let more = ["--solver", "sgd", "--steps", "1", "--start", "factors.npz", "--json"];
        let output = run(folder, &[&["solve"][..], &problem, &more].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let all = begin(&turned);
    assert!(all["residual"].as_f64().unwrap() < 1e-3 && all["warning"].is_null(), "{all}");
    let some = begin(&format!("nobody,film 1,0.03\n{turned}u1,film new,0.02\n"));
    let said = some["warning"].as_str().unwrap();
    assert!(said.starts_with("12 of 13 users and 10 of 11 items are in the start"), "{some}");
    assert!(some["residual"].as_f64().unwrap() < 0.3, "{some}");
    std::fs::write(folder.join("ratings.csv"), turned.replace('u', "v").replace("film", "book")).unwrap();
    let why = "`factors.npz` has none of these users and items";
    refused(folder, &[&problem[..], &["--start", "factors.npz"]].concat(), why);
    // Without names the place counts, and so does the size.
    let drawn = ["complete", "--random", "rows=40", "columns=30", "rank=1", "share=0.6", "--rank", "1"];
    json(folder, 0, &[&drawn[..], &["--output", "drawn.npz"]].concat());
    let why = "`left` of `drawn.npz` has the shape [40, 1]; expected [12, 1]";
    refused(folder, &[&problem[..], &["--start", "drawn.npz"]].concat(), why);
}
