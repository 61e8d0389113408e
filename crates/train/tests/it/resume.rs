use crate::support::{adapted, batches, leaves, memory, plan, texts, train};
use rankine_checkpoint::{Existing, OutputFolder};
use rankine_train::{AdamW, Data, Ending, Error, Plan, State};

const STEPS: usize = 6;

fn settings() -> Plan {
    Plan { accumulation: 2, evaluate_every: 2, ..plan(STEPS, 5e-3) }
}

fn through_a_folder(state: &State) -> State {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("state");
    let output = OutputFolder::create(&target, Existing::Refuse).unwrap();
    state.write(&output).unwrap();
    output.finish().unwrap();
    let read = State::read(&target).unwrap();
    assert_eq!(&read, state);
    read
}

#[test]
fn resuming_is_never_having_stopped() {
    let (train_texts, held_out) = (batches(texts(7, 0), 2), batches(texts(3, 40), 2));
    let data = Data { train: &train_texts, validation: Some(&held_out) };
    for method in ["lora", "pissa"] {
        for recompute in [false, true] {
            let plan = Plan { recompute, ..settings() };
            let fresh = || (adapted(method, "rank = 3\ndropout = 0.1"), AdamW::new(0.9, 0.99, 0.01));
            let (mut model, mut optimizer) = fresh();
            let (ending, whole) = train(&mut model, &mut optimizer, data, &plan, (None, None));
            assert_eq!(ending.unwrap(), Ending::Finished);
            assert_eq!(whole.evaluations.len(), 1 + STEPS / 2, "one before the first step");
            for stop in 1..STEPS {
                let (mut first, mut first_optimizer) = fresh();
                let (ending, log) = train(&mut first, &mut first_optimizer, data, &plan, (None, Some(stop)));
                assert_eq!(ending.unwrap(), Ending::Interrupted);
                let state = through_a_folder(log.states.last().unwrap());
                assert_eq!(state.step, stop);
                let (mut second, mut second_optimizer) = fresh();
                let (ending, rest) =
                    train(&mut second, &mut second_optimizer, data, &plan, (Some(&state), None));
                assert_eq!(ending.unwrap(), Ending::Finished);
                assert_eq!(leaves(&model), leaves(&second), "{method}, stopped after {stop}");
                assert_eq!(
                    memory(&mut optimizer),
                    memory(&mut second_optimizer),
                    "{method}, stopped after {stop}"
                );
                assert_eq!([log.steps, rest.steps].concat(), whole.steps);
                assert_eq!([log.evaluations, rest.evaluations].concat(), whole.evaluations);
                assert_eq!(rest.states.last(), whole.states.last());
            }
        }
    }
}

#[test]
fn a_run_that_ended_early_stays_ended() {
    let (train_texts, held_out) = (batches(texts(4, 0), 2), batches(texts(3, 40), 2));
    let data = Data { train: &train_texts, validation: Some(&held_out) };
    // A rate this high makes the held-out loss worse.
    let plan = Plan { evaluate_every: 1, patience: Some(2), ..plan(200, 0.3) };
    let (mut model, mut optimizer) = (adapted("lora", "rank = 3"), AdamW::default());
    let (ending, log) = train(&mut model, &mut optimizer, data, &plan, (None, None));
    assert_eq!(ending.unwrap(), Ending::EarlyStop);
    let evaluations = &log.evaluations;
    assert!(
        evaluations.len() < 200 && evaluations[evaluations.len() - 2..].iter().all(|&(_, _, best)| !best)
    );
    let state = log.states.last().unwrap();
    assert_eq!((state.step, state.stale), (log.steps.len(), 2));
    let best = evaluations.iter().rfind(|&&(_, _, best)| best).unwrap();
    assert_eq!((state.best.unwrap().step, state.best.unwrap().nll), (best.0, best.1));
    let before = leaves(&model);
    let (ending, log) = train(&mut model, &mut optimizer, data, &plan, (Some(state), None));
    assert_eq!((ending.unwrap(), log.steps.len()), (Ending::EarlyStop, 0));
    assert_eq!(before, leaves(&model));
}

#[test]
fn a_state_of_another_model_is_refused() {
    let texts = batches(texts(4, 0), 2);
    let data = Data { train: &texts, validation: None };
    let (mut model, mut optimizer) = (adapted("lora", "rank = 3"), AdamW::default());
    let (_, log) = train(&mut model, &mut optimizer, data, &plan(2, 1e-3), (None, None));
    let state = log.states.last().unwrap();
    for settings in ["rank = 2", "rank = 4"] {
        let mut other = adapted("lora", settings);
        let (ending, log) =
            train(&mut other, &mut AdamW::default(), data, &plan(4, 1e-3), (Some(state), None));
        assert!(matches!(ending, Err(Error::Foreign { .. })) && log.steps.is_empty());
    }
    assert!(State::read(tempfile::tempdir().unwrap().path()).is_err());
}
