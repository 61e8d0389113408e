//! [interaction]: in the interaction basis few directions of a layer do all that the network does.
//!
//! A. Hidden layers of trained networks, cut to few directions: those of the interaction basis, principal ones, neurons. Shows: the
//! basis needs the fewest; neurons that are there twice change nothing of it and are found. B. Two independent networks hidden by
//! rotations: in the basis, modules of the graph of interactions are these two, whether edges are told by gradients or by
//! integrated ones.
//!
//! For a quick look data are drawn: ten classes in twelve directions, under louder noise in twenty-four others, which principal
//! directions follow and the outputs do not. In full Fashion-MNIST is looked at, too. Departure: the paper is theory; that
//! directions are more relevant than principal ones is a claim of its companion. Language models are not run here
//! (`rankine interaction`).

mod chain;
mod planted;
mod truncation;
mod twice;

use crate::{
    Claim, Experiment, Images, Materials, Result, Scale,
    findings::{self, Story},
};
use rankine_random::Rng;
use truncation::{Trained, Training};

/// Directions that matter, and the parts of a network that do not act on each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct InteractionBasisExperiment;

impl Experiment for InteractionBasisExperiment {
    fn paper(&self) -> &'static str {
        "interaction"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let rng = Rng::new(21);
        let mut tasks = vec![drawn_task(&rng, [2000, 1000])];
        if scale == Scale::Full {
            watch("reading images");
            let [train, test] =
                ["train", "t10k"].map(|part| Images::fashion_mnist(&materials.fashion_mnist, part));
            let training = Training { hidden: vec![128, 128], steps: 2000, shown: 4000, kept: KEPT.to_vec() };
            tasks.push(Task { training, images: [train?, test?.of_each_class(200)] });
        }
        measure(&tasks, &rng, watch)
    }
}

/// Numbers of directions that are kept.
const KEPT: [usize; 12] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 48];

const STORY: Story<'_> = Story {
    title: "The interaction basis: what of a layer matters",
    statement: "few directions of the interaction basis do what a network does, and independent parts are modules in it",
    about: "The interaction basis leaves out directions of a layer along which nothing varies or nothing changes, and ranks the rest \
            by what they matter for the outputs.",
};

/// What a network is trained for: images to learn from and to be judged on.
struct Task {
    training: Training,
    images: [Images; 2],
}

fn measure(tasks: &[Task], rng: &Rng, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    let mut networks = Vec::new();
    for (at, Task { training, images: [train, test] }) in tasks.iter().enumerate() {
        watch(&format!("network {}", at + 1));
        networks.push(Trained::measure(training, [train, test], &rng.fork_index("task", at))?);
    }
    watch("two hidden networks");
    let pair = planted::measure(rng)?;
    let mut findings = truncation::findings(&networks);
    findings.extend(planted::findings(&pair));
    let mut page = findings::page(&STORY, &findings);
    truncation::show(&networks, &mut page);
    planted::show(&pair, &mut page);
    let numbers = serde_json::json!({ "findings": findings, "networks": networks, "planted": pair });
    Ok(Claim { statement: STORY.statement.to_owned(), holds: findings::hold(&findings), page, numbers })
}

/// Drawn data, and a network for them.
fn drawn_task(rng: &Rng, counts: [usize; 2]) -> Task {
    let [train, test] = counts;
    Task {
        training: Training { hidden: vec![64, 64], steps: 400, shown: train, kept: KEPT.to_vec() },
        images: [drawn(train, rng, "train"), drawn(test, rng, "test")],
    }
}

/// Numbers of a drawn "image", the directions of its classes, those of its noise, and the classes.
const SIZES: [usize; 4] = [48, 12, 24, 10];

/// Classes in turn, each a point in few directions with a spread of 0.35; louder noise in others, and a little everywhere.
fn drawn(count: usize, rng: &Rng, part: &str) -> Images {
    let [width, signals, noises, classes] = SIZES;
    let mut world = rng.fork("world");
    let centres = world.normals(classes * signals, 1.0);
    let signal = world.normals(signals * width, (signals as f32).sqrt().recip());
    let loud = world.normals(noises * width, 2.5 / (noises as f32).sqrt());
    let mut rng = rng.fork(part);
    let mut pixels = Vec::with_capacity(count * width);
    for image in 0..count {
        let centre = &centres[image % classes * signals..][..signals];
        let point: Vec<f32> = centre.iter().map(|x| x + 0.35 * rng.normal()).collect();
        let noise = rng.normals(noises, 1.0);
        let sum = |weights: &[f32], map: &[f32], at: usize| -> f32 {
            weights.iter().zip(map.chunks(width)).map(|(weight, row)| weight * row[at]).sum()
        };
        pixels.extend(
            (0..width).map(|at| sum(&point, &signal, at) + sum(&noise, &loud, at) + 0.1 * rng.normal()),
        );
    }
    Images { pixels, width, labels: (0..count).map(|image| (image % classes) as u32).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let rng = Rng::new(3);
        let mut task = drawn_task(&rng, [200, 100]);
        task.training = Training { hidden: vec![12, 11], steps: 20, shown: 100, kept: vec![2, 4, 6, 8, 10] };
        let claim = measure(&[task], &rng, &mut |_| {}).unwrap();
        let network = &claim.numbers["networks"][0];
        assert_eq!(network["cuts"].as_array().unwrap().len(), 2);
        assert_eq!(network["cuts"][1]["width"], 11);
        assert!(network["cuts"][1]["functional"].as_u64().unwrap() <= 10, "as many as classes at most");
        for cut in network["cuts"].as_array().unwrap() {
            for accuracy in
                cut["accuracies"].as_array().unwrap().iter().flat_map(|way| way.as_array().unwrap())
            {
                assert!((0.0..=1.0).contains(&accuracy.as_f64().unwrap()), "{accuracy}");
            }
        }
        let verdicts = claim.numbers["findings"].as_array().unwrap();
        assert_eq!(verdicts.len(), 5);
        assert!(verdicts[2..].iter().all(|verdict| verdict["holds"] == true), "{verdicts:?}");
        assert!(claim.page.html().contains("Two networks, hidden"));
    }

    #[test]
    fn drawn_classes_come_in_turn_and_are_the_same_in_both_parts() {
        let rng = Rng::new(1);
        let [train, test] = ["train", "test"].map(|part| drawn(500, &rng, part));
        assert_eq!(train.labels[..11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
        let mean = |images: &Images, class: usize| -> Vec<f32> {
            let rows = images.pixels.chunks(48).skip(class).step_by(10);
            (0..48).map(|at| rows.clone().map(|row| row[at]).sum::<f32>() / 50.0).collect()
        };
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let (own, other) =
            (apart(&mean(&train, 0), &mean(&test, 0)), apart(&mean(&train, 0), &mean(&test, 1)));
        assert!(2.0 * own < other, "{own} {other}");
    }
}
