//! Problems that announce more than there is.

use super::refused;

#[test]
fn sides_are_held_to_a_limit_before_room_is_made() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    std::fs::write(folder.join("b.csv"), "1\n2\n").unwrap();
    let complete = ["complete", "A.mtx"];
    let linear = ["linear", "--matrix", "A.mtx", "--right", "b.csv"];
    let long = "line 2: a matrix of 4000000000 rows and 4000000000 columns; 268435456 of each";
    for (side, question, why) in [
        ("4000000000", &complete[..], long),
        ("4000000000", &linear[..], long),
        ("200000000", &complete[..], "factors of rank 10 have more than 2147483648 numbers"),
        ("200000000", &linear[..], "the right-hand side has 2 entries; expected 200000000"),
    ] {
        let text = format!("%%MatrixMarket matrix coordinate real general\n{side} {side} 1\n1 1 1\n");
        std::fs::write(folder.join("A.mtx"), text).unwrap();
        refused(folder, question, why);
    }
    for shape in ["shape=[100000,100000]", "shape=[4294967296,4294967296,4294967296]"] {
        refused(folder, &["linear", "--random", shape], "has more than 268435456 cells");
    }
}

#[test]
fn a_level_that_makes_too_much_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let level = ["approximate", "--level", "1000000"];
    refused(folder, &level, "`--level 1000000` makes more than 20000 functions");
    refused(folder, &level, "hint: give a smaller `--level`\n");
    let hermite = ["approximate", "--family", "hermite", "--level", "1000"];
    refused(folder, &hermite, "`--level 1000` makes functions above the degree 250");
}
