use crate::support::{attach_to, distance, fixture, linear_modules, loss};
use rankine_method::{
    Choice, Method, Site,
    lora::Lora,
    pissa::{Decomposition, Pissa},
};
use rankine_nn::{Kind, Weight, for_each_trained};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};

const SHAPE: [usize; 2] = [24, 16];

fn matrix() -> (Tensor, Vec<f64>) {
    let json = fixtures::json("pissa.json");
    let weight = Tensor::new(fixtures::floats(&json["weight"]), &SHAPE).unwrap();
    (weight, fixtures::doubles(&json["singular_values"]))
}

/// The structure's base, a and b.
fn parts(structure: &dyn Weight) -> [Tensor; 3] {
    let mut found = Vec::new();
    structure.leaves(&mut |name, leaf| found.push((name.to_owned(), leaf.tensor().detach())));
    ["base", "a", "b"].map(|name| found.iter().find(|(found, _)| found == name).unwrap().1.clone())
}

fn attach(method: &Pissa, weight: &Tensor) -> [Tensor; 3] {
    let weight = &weight.clone().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    parts(method.attach(&site, method.rank, Rng::new(2)).unwrap().as_ref())
}

#[test]
fn factors_and_residual_are_those_of_peft() {
    let (weight, _) = matrix();
    let json = fixtures::json("pissa.json");
    let cases: Vec<_> =
        fixtures::items(&json["cases"]).iter().filter(|case| case["init_lora_weights"] == "pissa").collect();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let rank = case["r"].as_u64().unwrap() as usize;
        let alpha = Some(case["lora_alpha"].as_f64().unwrap() as f32);
        let rslora = case["use_rslora"].as_bool().unwrap_or(false);
        let [base, a, b] = attach(&Pissa { rank, alpha, rslora, ..Pissa::default() }, &weight);
        assert_close!(
            base.to_vec(),
            fixtures::floats(&case["residual"]),
            absolute = 2e-6,
            "residual, rank {rank}"
        );
        let (peft_a, peft_b) = (fixtures::floats(&case["a"]), fixtures::floats(&case["b"]));
        let (a, b) = (a.to_vec(), b.to_vec());
        for triple in 0..rank {
            let row = |a: &[f32]| a[triple * SHAPE[1]..][..SHAPE[1]].to_vec();
            let column = |b: &[f32]| b.iter().skip(triple).step_by(rank).copied().collect::<Vec<_>>();
            let sign = row(&a).iter().zip(row(&peft_a)).map(|(x, y)| x * y).sum::<f32>().signum();
            let turned = |values: Vec<f32>| values.into_iter().map(|x| sign * x).collect::<Vec<_>>();
            assert_close!(row(&a), turned(row(&peft_a)), absolute = 1e-5, "a, rank {rank}, triple {triple}");
            assert_close!(
                column(&b),
                turned(column(&peft_b)),
                absolute = 1e-5,
                "b, rank {rank}, triple {triple}"
            );
            let largest = row(&a).into_iter().reduce(|best, x| if x.abs() > best.abs() { x } else { best });
            assert!(largest.unwrap() > 0.0, "the largest entry of every right vector is positive");
        }
    }
}

#[test]
fn the_spectrum_is_split_at_the_rank() {
    let (weight, spectrum) = matrix();
    for (rank, alpha, rslora) in
        [(4, None, false), (4, Some(8.0), false), (4, Some(8.0), true), (9, Some(2.0), true)]
    {
        let scale = alpha.unwrap_or(rank as f32) / if rslora { (rank as f32).sqrt() } else { rank as f32 };
        let [base, a, b] = attach(&Pissa { rank, alpha, rslora, ..Pissa::default() }, &weight);
        let product = b.matmul(&a).unwrap().scale(scale).to_vec();
        let energy: f64 = product.iter().map(|&x| f64::from(x).powi(2)).sum();
        let expected: f64 = spectrum[..rank].iter().map(|s| s * s).sum();
        assert_close!([energy], [expected], relative = 1e-5);
        let residual = rankine_linalg::singular_values(&base.to_vec(), SHAPE[0], SHAPE[1]).unwrap();
        assert_close!([residual[0]], [spectrum[rank]], relative = 1e-4);
        let diagonal: Vec<f64> =
            (0..rank * rank)
                .map(|index| {
                    if index / rank == index % rank { spectrum[index / rank] / f64::from(scale) } else { 0.0 }
                })
                .collect();
        let (right, left) = (a.matmul(&a.t().unwrap()).unwrap(), b.t().unwrap().matmul(&b).unwrap());
        let largest = diagonal[0];
        assert_close!(right.to_vec(), diagonal, relative = 1e-5, absolute = 1e-6 * largest);
        assert_close!(left.to_vec(), diagonal, relative = 1e-5, absolute = 1e-6 * largest);
    }
}

#[test]
fn a_randomised_principal_part_is_nearly_the_best() {
    let (rows, columns, rank) = (60, 40, 5);
    let weight = Tensor::new(Rng::new(9).normals(rows * columns, 0.3), &[rows, columns]).unwrap();
    let error = |svd, iterations| {
        let method = Pissa { rank, svd, iterations, ..Pissa::default() };
        let [base, a, b] = attach(&method, &weight);
        let whole = base.add(&b.matmul(&a).unwrap()).unwrap().to_vec();
        assert!(distance(&whole, &weight.to_vec()) < 1e-6, "nothing is lost whatever the error of the SVD");
        base.to_vec().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
    };
    let best = error(Decomposition::Exact, 0);
    let errors = [0, 2, 12].map(|iterations| error(Decomposition::Randomized, iterations));
    assert!(
        best <= errors[2] * (1.0 + 1e-6) && errors[2] <= errors[1] && errors[1] <= errors[0],
        "{best} {errors:?}"
    );
    assert!(errors[2] < 1.01 * best, "{best} {errors:?}");
}

#[test]
fn pissa_moves_both_factors_at_once_and_lora_only_one() {
    for (choice, moves) in [(Choice::Pissa(Pissa::default()), true), (Choice::Lora(Lora::default()), false)] {
        let mut model = fixture();
        let modules = linear_modules(&model);
        attach_to(&mut model, &choice, &modules, 0).unwrap();
        let gradients = loss(&model).backward().unwrap();
        for_each_trained(&model, &mut |place, variable| {
            let largest = gradients
                .of(variable)
                .unwrap()
                .to_vec()
                .into_iter()
                .fold(0.0_f32, |most, x| most.max(x.abs()));
            assert_eq!(0.0 < largest, moves || place.name.ends_with("/b"), "{}", place.name);
        });
    }
}

#[test]
fn a_weight_of_zeros_and_one_with_nan() {
    let [base, a, b] = attach(&Pissa { rank: 2, ..Pissa::default() }, &Tensor::zeros(&SHAPE));
    assert!([base, a, b].iter().all(|part| part.to_vec().iter().all(|&x| x == 0.0)));
    let broken = Tensor::new(vec![f32::NAN; 24 * 16], &SHAPE).unwrap().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight: &broken, statistics: None };
    let error = Pissa::default().attach(&site, 2, Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("w.weight"), "{error}");
}
