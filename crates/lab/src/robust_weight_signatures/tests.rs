use super::*;
use crate::transfer::testing;

fn plan() -> Plan {
    let setting = Setting { hidden: vec![16, 12, 10], ..testing::setting() };
    Plan {
        network: "three maps",
        setting,
        rate: 1e-3,
        damages: vec![Damage::Noise, Damage::Brightness],
        weights: vec![0.5],
    }
}

fn images() -> Split {
    let rng = Rng::new(3);
    let [train, test] = ["train", "test"].map(|part| drawn::images(6, &rng.fork(part)));
    Split { train, test }
}

fn measured() -> Measured {
    plan().measure::<Mlp>(&images(), &mut |_| {}).unwrap()
}

#[test]
fn it_gives_a_page_with_finite_numbers() {
    let claim = page::claim(&[measured()]);
    let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
    assert!(html.contains("<table") && html.contains("<svg"));
    assert!(words.contains("patched, 16 values") && !words.contains("NaN"), "{words}");
    assert_eq!(claim.numbers["holds"], claim.holds);
    assert_eq!(claim.numbers["findings"].as_array().unwrap().len(), 7);
    // Taking a patch off restores the network, whatever was trained.
    assert_eq!(claim.numbers["findings"][6]["holds"], true);
    let scores = claim.numbers["networks"][0]["scores"].as_array().unwrap();
    // The clean network on three; of either damage its patch on three, 2 + 1 + 2 more and three others on two; a pair on three.
    assert_eq!(scores.len(), 3 + 2 * (3 + 8 * 2) + 3);
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(&score["accuracy"].as_f64().unwrap())));
}

#[test]
fn a_patch_leaves_the_head_and_deep_layers_alone() {
    let (plan, images) = (plan(), images());
    let trial: Trial<Mlp> = Trial::new(&plan, &images.train, &Rng::new(1), &mut |_| {}).unwrap();
    assert_eq!((trial.depth(), shallow(trial.depth()), trial.drift().len()), (3, 2, 3));
    let clean = trial.numbers(&Contender::Clean, 2);
    let patched = trial.numbers(&Contender::Patched(Plan::patch(Damage::Noise, 2)), 2);
    let grafted = trial.numbers(&Contender::Grafted(Damage::Noise), 2);
    let robust = trial.numbers(&Contender::Robust(Damage::Noise), 2);
    assert!((0..4).all(|at| patched[at] != clean[at] && grafted[at] == robust[at]));
    assert!(patched[4..] == clean[4..] && grafted[4..] == clean[4..] && robust[6] != clean[6]);
    let idle = Patch { weight: 0.0, ..Plan::patch(Damage::Noise, 2) };
    assert_eq!(trial.numbers(&Contender::Patched(idle), 2), clean);
    // Two layers of [16, 784] and [12, 16] with biases, 4 bits each.
    let stored = Patch { levels: 16, ..Plan::patch(Damage::Noise, 2) };
    let kept = (16 * 784 + 16 + 12 * 16 + 12) as f64;
    let all = kept + (10 * 12 + 10 + 10 * 10) as f64;
    assert!((trial.times_smaller(&stored) - 32.0 * all / (4.0 * kept + 4.0 * 64.0)).abs() < 1e-9);
}

#[test]
fn layers_of_a_vision_transformer_are_its_blocks() {
    let plan = Plan::of("four blocks of attention", [6, 4]);
    let setting = Setting { batch: 20, ..plan.setting };
    let (plan, images) = (Plan { setting, damages: vec![Damage::Noise], ..plan }, images());
    let trial: Trial<Vit> = Trial::new(&plan, &images.train, &Rng::new(1), &mut |_| {}).unwrap();
    // The embeddings, four blocks and the last norm; of a block sixteen tensors.
    assert_eq!((trial.depth(), shallow(trial.depth())), (6, 3));
    let clean = trial.numbers(&Contender::Clean, 3);
    let patched = trial.numbers(&Contender::Patched(Plan::patch(Damage::Noise, 3)), 3);
    let moved: Vec<usize> = (0..clean.len()).filter(|&at| patched[at] != clean[at]).collect();
    assert_eq!(clean.len(), 4 + 4 * 16 + 2 + 2);
    assert!(moved.len() > 30 && moved.iter().all(|at| *at < 4 + 2 * 16), "{moved:?}");
    assert!(trial.residue(&Plan::patch(Damage::Noise, 3)) < 1e-6);
    let measured = plan.measure::<Vit>(&images, &mut |_| {}).unwrap();
    assert_eq!((measured.depth, measured.drift.len()), (6, 6));
    let named = |finding: &crate::findings::Finding| finding.claim.starts_with("four blocks of attention: ");
    assert!(claims::findings(&measured).iter().all(named));
}

#[test]
fn claims_fail_where_patches_do_not_help() {
    let mut measured = measured();
    for score in &mut measured.scores {
        let is_clean = score.contender == Contender::Clean;
        score.accuracy = if is_clean || score.test.is_none() { 0.8 } else { 0.7 };
    }
    let holds = |measured: &Measured| {
        claims::findings(measured).iter().map(|finding| finding.holds).collect::<Vec<_>>()
    };
    assert_eq!(holds(&measured), [false, true, false, false, false, false, true]);
    // Own patches help, others and pairs do not.
    let half = [Damage::Noise, Damage::Brightness].map(|damage| measured.patched(damage));
    for score in &mut measured.scores {
        if half.contains(&score.contender)
            && score.test.is_some_and(|test| score.contender.damages() == [test])
        {
            score.accuracy = 0.9;
        }
    }
    assert_eq!(holds(&measured), [true, true, false, true, false, false, true]);
}
