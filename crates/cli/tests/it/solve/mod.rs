//! Matrix and transport problems, from files to files.

mod outputs;
mod ratings;
mod sizes;

use crate::common::{run, words};
use rankine_data::arrays::npz::{Npz, Writer};
use rankine_data::arrays::{Array, npy};
use serde_json::Value;
use std::path::Path;

/// The JSON of a command that ends with `code`.
fn json(folder: &Path, code: i32, arguments: &[&str]) -> Value {
    let output = run(folder, &[&["solve"][..], arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", words(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str], why: &str) {
    let output = run(folder, &[&["solve"][..], arguments].concat());
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.starts_with("error: ") && said.contains(why), "{arguments:?}: {said}");
}

/// A folder with a cost [3, 2], masses, and two clouds of points.
fn transport() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("C.csv", "0,2\n1,1\n2,0\n"),
        ("a.csv", "0.5\n0.25\n0.25\n"),
        ("b.csv", "0.5\n0.5\n"),
        ("X.csv", "x,y\n0,0\n1,0\n"),
        ("Y.csv", "0,1\n1,2\n"),
        ("double.csv", "1\n1\n"),
        ("hole.csv", "0,nan\n1,1\n2,0\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_plan_is_found_and_written_in_every_form() {
    let root = transport();
    let folder = root.path();
    let problem = ["transport", "--cost", "C.csv", "--source", "a.csv", "--target", "b.csv"];
    // Row 0 to column 0, row 2 to column 1, row 1 to the rest of column 1.
    let wanted = [0.5, 0.0, 0.0, 0.25, 0.0, 0.25];
    for file in ["plan.npz", "plan.npy", "plan.csv", "plan.mtx"] {
        let answer = json(folder, 0, &[&problem[..], &["--output", file]].concat());
        assert_eq!(answer["outcome"], "converged");
        assert!((answer["facts"]["cost"].as_f64().unwrap() - 0.25).abs() < 1e-12, "{answer}");
        let plan = Array::read_matrix(&folder.join(file), "plan").unwrap();
        assert_eq!(plan.shape, [3, 2], "{file}");
        assert!(plan.values.iter().zip(wanted).all(|(found, mass)| (found - mass).abs() < 1e-12), "{file}");
    }
    let potentials = Npz::open(&folder.join("plan.npz")).unwrap().array("source_potential").unwrap();
    assert_eq!(potentials.shape, [3]);
    let smooth =
        ["--regularization", "0.5", "--solver", "sinkhorn", "--tolerance", "1e-6", "--html", "page.html"];
    let answer = json(folder, 0, &[&problem[..], &smooth].concat());
    assert!(answer["residual"].as_f64().unwrap() <= 1e-6, "{answer}");
    assert_eq!(answer["steps"], answer["trace"].as_array().unwrap().last().unwrap()["step"]);
    assert!(answer["solver"]["sinkhorn"].is_object());
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("Residual after every step") && page.contains("[sinkhorn]"));
    let points = json(folder, 0, &["transport", "--points", "X.csv", "Y.csv", "--metric", "euclidean"]);
    assert!((points["facts"]["cost"].as_f64().unwrap() - 1.5).abs() < 1e-12, "{points}");
}

#[test]
fn what_breaks_off_returns_what_was_found() {
    let root = transport();
    let folder = root.path();
    let problem = ["transport", "--cost", "C.csv", "--source", "a.csv", "--regularization", "0.01"];
    let sinkhorn = ["--solver", "sinkhorn", "--tolerance", "0", "--output", "plan.npy"];
    for (limit, outcome) in [(["--steps", "2"], "step_limit"), (["--seconds", "0"], "interrupted")] {
        let answer = json(folder, 1, &[&problem[..], &sinkhorn, &limit].concat());
        assert_eq!(answer["outcome"], outcome, "{answer}");
        assert!(answer["remedy"].is_string(), "{answer}");
        let plan = npy::read(&folder.join("plan.npy")).unwrap();
        assert!((plan.values.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{outcome}");
        std::fs::remove_file(folder.join("plan.npy")).unwrap();
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let root = transport();
    let folder = root.path();
    let cost = |more: &[&'static str]| [&["transport", "--cost", "C.csv"][..], more].concat();
    refused(folder, &cost(&["--source", "a.csv", "--target", "double.csv"]), "the target 2; they must agree");
    refused(folder, &["transport", "--cost", "hole.csv"], "cost has the entry `NaN` at [0, 1]");
    refused(folder, &cost(&["--output", "plan.txt"]), "the ending of `plan.txt`");
    refused(folder, &cost(&["--solver", "sinkhorn"]), "`regularization` is 0");
    refused(folder, &cost(&["--tolerance=-1"]), "should be finite and at least 0");
    refused(folder, &["transport", "--points", "X.csv", "Y.csv", "--metric", "manhattan"], "`cityblock`");
    refused(folder, &["transport", "--cost", "none.npy"], "`none.npy`");
    refused(folder, &["transport"], "--cost");
    let said = words(&run(folder, &[&["solve"][..], &cost(&["--set", "lenght=3"])].concat()).stderr);
    for part in ["lenght = 3", "^^^^^^", "unknown field `lenght`", "while reading the settings of `exact`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn every_question_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("table.csv"), "x,y,z\n1,3,0\n2,5,1\n3,7,5\n4,9,2\n").unwrap();
    let matrix = "%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 2\n2 1 1\n2 2 2\n";
    std::fs::write(folder.join("A.mtx"), matrix).unwrap();
    std::fs::write(folder.join("b.csv"), "3\n3\n").unwrap();
    let read = |name: &str| Array::read_vector(&folder.join(name), "coefficients").unwrap();
    json(folder, 0, &["complete", "--random", "rows=60", "columns=50", "rank=2", "share=0.5", "--rank", "2"]);
    json(folder, 0, &["sense", "--random", "rows=8", "columns=6", "count=200", "--rank", "2"]);
    let recover =
        ["solve", "recover", "--random", "rows=[6,6]", "columns=[8,8]", "nonzeros=1", "decibels=40"];
    let output = run(folder, &[&recover[..], &["--output", "x.npy", "--json"]].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["facts"]["relative_error"].as_f64().unwrap() < 0.01, "{answer}");
    assert_eq!(npy::read_complex(&folder.join("x.npy")).unwrap().shape, [64]);
    let named = [&["krosbl"][..], &recover[2..], &["--solver", "svd-kro-sbl"]].concat();
    assert_eq!(json(folder, 0, &named)["question"], "Kronecker recovery");
    json(
        folder,
        0,
        &["approximate", "--dimensions", "2", "--level", "4", "--span", "total", "--function", "exp"],
    );
    // y = 2·x + 0·z + 1.
    json(
        folder,
        0,
        &["regress", "--table", "table.csv", "--column", "y", "--intercept", "--output", "fit.npy"],
    );
    assert!(
        read("fit.npy").iter().zip([2.0, 0.0, 1.0]).all(|(x, y)| (x - y).abs() < 1e-9),
        "{:?}",
        read("fit.npy")
    );
    json(folder, 0, &["linear", "--matrix", "A.mtx", "--right", "b.csv", "--output", "x.csv"]);
    assert!(read("x.csv").iter().all(|x| (x - 1.0).abs() < 1e-6), "{:?}", read("x.csv"));
    json(folder, 0, &["linear", "--random", "shape=[12,9]", "obstacle={ball={radius=0.2}}", "drive=smooth"]);
    json(folder, 0, &["approximate", "--level", "8", "--function", "exp", "--output", "design.npz"]);
    let names = Npz::open(&folder.join("design.npz")).unwrap().names();
    assert_eq!(names, ["points", "weights", "rows", "coefficients"]);
    refused(folder, &["linear", "--random", "shpae=[3]"], "^^^^^");
    refused(folder, &["regress", "--table", "table.csv", "--column", "w"], "no column `w`");
}

#[test]
fn too_few_measurements_are_told_with_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sense = |count: &'static str, rank: &'static str| {
        ["sense", "--random", "rows=9", "columns=8", count, "--rank", rank, "--steps", "3"]
    };
    refused(
        folder,
        &sense("count=15", "1"),
        "15 measurements of a matrix of 9 rows and 8 columns, which has 16",
    );
    // Rank 2 has 2 · (9 + 8 − 2) degrees of freedom.
    let few = json(folder, 1, &sense("count=29", "2"));
    assert!(few["warning"].as_str().unwrap().contains("fewer than the 30 degrees"), "{few}");
    assert!(json(folder, 1, &sense("count=30", "2"))["warning"].is_null());
    // A symmetric one of rank 1 and side 8 has 8.
    let square =
        ["sense", "--random", "rows=8", "columns=8", "rank=1", "count=7", "--rank", "1", "--positive"];
    let few = json(folder, 1, &[&square[..], &["--steps", "3"]].concat());
    assert!(few["warning"].as_str().unwrap().contains("fewer than the 8 degrees"), "{few}");
}

#[test]
fn an_answer_is_a_start() {
    let root = transport();
    let folder = root.path();
    std::fs::write(folder.join("A.csv"), "4,1\n1,3\n").unwrap();
    std::fs::write(folder.join("c.csv"), "1\n2\n").unwrap();
    std::fs::write(folder.join("design.csv"), "1,0\n1,1\n1,2\n").unwrap();
    std::fs::write(folder.join("t.csv"), "0.6\n0.4\n").unwrap();
    std::fs::write(folder.join("grid.csv"), "0,3\n2,1\n5,4\n").unwrap();
    std::fs::write(folder.join("y.csv"), "0\n3\n2\n").unwrap();
    let smooth =
        ["--source", "a.csv", "--target", "t.csv", "--regularization", "0.05", "--solver", "sinkhorn"];
    let questions: [(&str, &[&str], &str); 7] = [
        ("transport", &[&["--cost", "C.csv"][..], &smooth].concat(), "npz"),
        ("complete", &["--random", "rows=40", "columns=30", "rank=2", "share=0.6", "--rank", "2"], "npz"),
        ("sense", &["--random", "rows=6", "columns=5", "count=150", "--rank", "2"], "npz"),
        ("recover", &["--random", "rows=[6,6]", "columns=[8,8]", "nonzeros=1", "decibels=40"], "npz"),
        (
            "regress",
            &["--design", "design.csv", "--target", "y.csv", "--solver", "conjugate-gradients"],
            "csv",
        ),
        (
            "regress-kronecker",
            &["--factors", "design.csv", "A.csv", "--target", "grid.csv", "--solver", "conjugate-gradients"],
            "npz",
        ),
        ("linear", &["--matrix", "A.csv", "--right", "c.csv", "--solver", "cg"], "npy"),
    ];
    for (question, problem, ending) in questions {
        let file = format!("{question}.{ending}");
        let command = [&["solve", question][..], problem, &["--json"]].concat();
        let solve = |more: &[&str]| -> Value {
            serde_json::from_slice(&run(folder, &[&command[..], more].concat()).stdout).unwrap()
        };
        let first = solve(&["--output", &file]);
        let again = solve(&["--start", &file, "--steps", "1"]);
        let reached = |answer: &Value| answer["residual"].as_f64().unwrap();
        assert!(1 < first["steps"].as_u64().unwrap(), "{question}: {first}");
        assert!(reached(&again) <= 10.0 * reached(&first) + 1e-12, "{question}: {again} after {first}");
    }
    refused(
        folder,
        &["transport", "--points", "X.csv", "Y.csv", "--start", "transport.npz"],
        "`source_potential` of `transport.npz` has the shape [3]; expected [2]",
    );
    let other = ["complete", "--random", "rows=41", "columns=30", "rank=2", "share=0.6", "--rank", "2"];
    let wrong = "`left` of `complete.npz` has the shape [40, 2]; expected [41, 2]";
    refused(folder, &[&other[..], &["--start", "complete.npz"]].concat(), wrong);
    let linear = ["linear", "--matrix", "A.csv", "--right", "c.csv", "--start", "C.csv"];
    refused(folder, &linear, "`x` of `C.csv` has the shape [3, 2]; expected [2]");
    std::fs::write(folder.join("nan.csv"), "1\nnan\n").unwrap();
    let linear = ["linear", "--matrix", "A.csv", "--right", "c.csv", "--start", "nan.csv"];
    refused(folder, &linear, "`x` of `nan.csv` has the entry `NaN` at [1]");
    std::fs::write(folder.join("twins.csv"), "x,y,y\n1,2,3\n4,5,6\n").unwrap();
    let twins = ["regress", "--table", "twins.csv", "--column", "y"];
    refused(folder, &twins, "columns 2 and 3 are both called `y`");
    let recover = ["recover", "--random", "rows=[6,6]", "columns=[8,8]", "nonzeros=1", "decibels=40"];
    let plain = [&recover[..], &["--solver", "sbl", "--start", "recover.npz"]].concat();
    refused(folder, &plain, "the solution to start from has 2 vectors of variances; expected 1");
    let product = ["sense", "--random", "--rank", "2", "--start", "linear.npy"];
    refused(folder, &product, "`linear.npy` does not hold all of a solution");
    refused(folder, &["approximate", "--start", "linear.npy"], "nothing of this question is started");
    let other = ["regress-kronecker", "--factors", "A.csv", "A.csv", "--target", "A.csv"];
    // Both have four coefficients: a fit of the one is a start of the other, by a direct solver as well.
    json(folder, 0, &[&other[..], &["--start", "regress-kronecker.npz"]].concat());
    let short = ["regress-kronecker", "--factors", "c.csv", "A.csv", "--target", "A.csv"];
    let wrong = "`coefficients` of `regress-kronecker.npz` has the shape [4]; expected [2]";
    refused(folder, &[&short[..], &["--start", "regress-kronecker.npz"]].concat(), wrong);
}

#[test]
fn a_start_has_no_variance_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let recover = ["recover", "--random", "rows=[6,6]", "columns=[8,8]", "nonzeros=1", "decibels=40"];
    let start = |variance: f64, noise: f64| {
        let vector = |values: Vec<f64>| Array { shape: vec![values.len()], values };
        let mut second = vec![1.0; 8];
        second[3] = variance;
        let path = folder.join("start.npz");
        let mut writer = Writer::new(&path);
        writer.add("coefficients", &vector(vec![0.0; 64])).unwrap();
        writer.add("variances_1", &vector(vec![1.0; 8])).unwrap();
        writer.add("variances_2", &vector(second)).unwrap();
        writer.add("noise", &Array { shape: Vec::new(), values: vec![noise] }).unwrap();
        std::fs::write(&path, writer.finish().unwrap()).unwrap();
        [&recover[..], &["--start", "start.npz"]].concat()
    };
    for (wrong, shown) in [(f64::NAN, "NaN"), (-1.0, "-1.0"), (f64::INFINITY, "inf")] {
        let why = format!("`variances_2` of `start.npz` has the entry `{shown}` at [3]");
        refused(folder, &start(wrong, 0.1), &why);
        let why = format!("`noise` of `start.npz` has the entry `{shown}` at []");
        refused(folder, &start(1.0, wrong), &why);
    }
    let given_up = [&["solve"][..], &start(0.0, 0.1)[..], &["--steps", "1"]].concat();
    assert_ne!(run(folder, &given_up).status.code(), Some(2));
}

#[test]
fn a_design_may_be_a_product() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("A.csv"), "1\n2\n").unwrap();
    std::fs::write(folder.join("B.csv"), "1,0\n1,1\n1,3\n").unwrap();
    // Of the coefficients 2 and -1.
    std::fs::write(folder.join("y.csv"), "2,1,-1\n4,2,-2\n").unwrap();
    let problem = ["regress-kronecker", "--factors", "A.csv", "B.csv", "--target", "y.csv"];
    let answer = json(folder, 0, &[&problem[..], &["--output", "x.npy"]].concat());
    assert_eq!(answer["problem"], "2 by 1 times 3 by 2");
    let found = npy::read(&folder.join("x.npy")).unwrap().values;
    assert!(found.iter().zip([2.0, -1.0]).all(|(x, y)| (x - y).abs() < 1e-12), "{found:?}");
    let steps = ["--solver", "conjugate-gradients", "--start", "x.npy"];
    assert_eq!(json(folder, 0, &[&problem[..], &steps].concat())["steps"], 1);
    // Row after row, as one column and as one row.
    for text in ["2\n1\n-1\n4\n2\n-2\n", "2,1,-1,4,2,-2\n"] {
        std::fs::write(folder.join("y.csv"), text).unwrap();
        assert_eq!(json(folder, 0, &[&problem[..], &steps].concat())["steps"], 1);
    }
    for (text, shape) in [
        ("2,4\n1,2\n-1,-2\n", "[3, 2]"),
        ("2,1\n-1,4\n", "[2, 2]"),
        ("2\n1\n", "[2, 1]"),
        ("1,2,3,4\n5,6,7,8\n9,1,2,3\n", "[3, 4]"),
    ] {
        std::fs::write(folder.join("y.csv"), text).unwrap();
        let why = format!("the target `y.csv` has the shape {shape}; expected [6] or [2, 3]");
        refused(folder, &problem, &why);
    }
}

#[test]
fn a_setting_that_a_solver_leaves_out_is_told() {
    let root = transport();
    let folder = root.path();
    let problem = ["transport", "--cost", "C.csv", "--regularization", "5"];
    let told = json(folder, 0, &[&problem[..], &["--solver", "exact"]].concat());
    let warning = told["warning"].as_str().unwrap();
    assert!(warning.starts_with("`exact` leaves the regularization of 5 out"), "{told}");
    assert_eq!(told["problem"], "from 3 places to 2, regularization 0");
    let smooth = ["--solver", "sinkhorn", "--tolerance", "1e-6"];
    let taken = json(folder, 0, &[&problem[..], &smooth].concat());
    assert!(taken["warning"].is_null(), "{taken}");
    assert_eq!(taken["problem"], "from 3 places to 2, regularization 5");
    assert!(json(folder, 0, &problem[..3])["warning"].is_null());
    refused(folder, &["transport", "--cost", "C.csv", "--metric", "cosine"], "--metric");
}

#[test]
fn closed_forms_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("d.csv"), "1\n3\n").unwrap();
    let close = |value: &Value, wanted: f64, apart: f64| {
        assert!((value.as_f64().unwrap() - wanted).abs() <= apart, "{value} is not {wanted}");
    };
    let distillation = ["theory", "distillation", "--spectrum", "d.csv", "--ridge", "1", "--steps", "2"];
    let output = ["--output", "b.npz", "--html", "b.html"];
    let answer = json(folder, 0, &[&distillation[..], &output].concat());
    close(&answer["shrinkage"][1][0], 0.25, 1e-12);
    close(&answer["shrinkage"][1][1], 0.5625, 1e-12);
    close(&answer["rate"], 0.75, 1e-12);
    let written = Npz::open(&folder.join("b.npz")).unwrap().array("shrinkage").unwrap();
    assert_eq!(written.shape, [2, 2]);
    assert!(std::fs::read_to_string(folder.join("b.html")).unwrap().contains("Factor of the targets"));
    let dynamics = ["theory", "dynamics", "--ratio", "0.5", "--signal", "5", "--times", "10"];
    let flow = json(folder, 0, &dynamics);
    close(&flow["course"][0]["test"], 0.8667, 2e-4);
    // A step takes the time of its rate.
    let steps = json(folder, 0, &[&dynamics[..], &["--rate", "0.2"]].concat());
    close(&steps["best_time"], flow["best_time"].as_f64().unwrap() / 0.2, 1e-9);
    let wild = run(folder, &[&["solve"][..], &dynamics, &["--rate", "3"]].concat());
    assert!(words(&wild.stdout).contains("diverge"), "{}", words(&wild.stdout));
    let features =
        ["theory", "random-features", "--powers", "1.5", "1.2", "--noise", "0.1", "--samples", "50"];
    let fits = json(folder, 0, &[&features[..], &["--features", "20,200,inf", "--modes", "500"]].concat());
    let tests: Vec<f64> = (0..3).map(|fit| fits[fit]["test"].as_f64().unwrap()).collect();
    assert!(tests[1] < tests[0] && tests[2] < tests[1] && fits[2]["features"].is_null(), "{fits}");
    let fitting = json(folder, 0, &["theory", "fitting", "--powers", "1.17", "1.14", "--noise", "1"]);
    close(&fitting["interpolation_threshold"], -0.03 / (1.17 * 0.17), 1e-12);
    refused(folder, &[&distillation[..], &["--truth", "2"]].concat(), "`truth` is 2");
    refused(folder, &["theory", "fitting", "--powers", "0.5", "1.1"], "`a` is 0.5");
    let said = words(&run(folder, &["solve", "theory", "dynamics", "--ratio", "2", "--signal", "4"]).stdout);
    assert!(said.contains("best time to stop") && said.contains("test error of the best ridge"), "{said}");
}

#[test]
fn all_solvers_of_a_question_stand_side_by_side() {
    let root = transport();
    let folder = root.path();
    let compare = ["solve", "compare", "transport", "--cost", "C.csv", "--seconds", "20", "--regularization"];
    // Without a regularisation most solvers refuse, and say why.
    let output = run(folder, &[&compare[..], &["0", "--json"]].concat());
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let one = |name: &str| all.iter().find(|fared| fared["solver"] == name).unwrap();
    assert_eq!(one("exact")["outcome"], "converged");
    assert!(one("sinkhorn")["error"].as_str().unwrap().contains("regularization"));
    let output = run(folder, &[&compare[..], &["0.5", "--tolerance", "1e-5", "--html", "all.html"]].concat());
    let said = words(&output.stdout);
    let joined = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains("`exact` leaves the regularization of 0.5 out"), "{said}");
    for part in ["exact", "sinkhorn", "quadratic", "objective", "memory", "nonzeros"] {
        assert!(said.contains(part), "{part}: {said} {}", words(&output.stderr));
    }
    assert!(std::fs::read_to_string(folder.join("all.html")).unwrap().contains("Residual over time"));
}

#[test]
fn the_help_of_a_question_lists_its_solvers() {
    let folder = tempfile::tempdir().unwrap();
    for (question, solver) in [
        ("transport", "\n  exact  "),
        ("complete", "\n  soft-impute  "),
        ("sense", "\n  subgradient  "),
        ("recover", "\n  svd-kro-sbl  "),
        ("regress", "\n  sketch-and-precondition  "),
        ("regress-kronecker", "\n  tensor-srht  "),
        ("approximate", "\n  volume-sampling  "),
        ("linear", "\n  cg  "),
    ] {
        let output = run(folder.path(), &["solve", question, "--help"]);
        let said = words(&output.stdout);
        let joined = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("\nSolvers:\n") && said.contains(solver), "{said}");
        assert!(said.contains("\nExamples:\n  rankine solve ") && joined.contains("--output: `.n"), "{said}");
        assert_eq!(said.contains("\n      --start <FILE>"), question != "approximate", "{said}");
    }
}
