//! What a second-order expansion says of the loss in the middle of two networks.
//!
//!     L(½) ≈ L(θ) + g·d + ½·dᵀHd        d = (θ' − θ)/2
//!     dᵀHd ≈ [g(θ + ε·d) − g(θ − ε·d)]·d / 2ε,  ε = 1/100
//!
//! The mean of the expansions about either end, above the mean of both losses: ½·Σ (g·d + ½·dᵀHd) over the ends. By differences
//! of gradients, so that it sees the kinks of relu on the way, which automatic second derivatives do not.

use crate::{
    Images, Result, transfer,
    weights::{self, Numbers},
};
use rankine_nn::{for_each_trained, models::Mlp};

/// ε.
const STEP: f64 = 0.01;

/// The rise of the loss in the middle of two networks by the expansion; `model` makes networks of their numbers.
pub(super) fn estimate(
    [one, other]: [&Numbers; 2],
    model: &dyn Fn(&Numbers) -> Result<Mlp>,
    images: &Images,
) -> Result<f64> {
    let mut sum = 0.0;
    for (from, to) in [(one, other), (other, one)] {
        let direction = weights::sum(&[(0.5, to), (-0.5, from)]);
        let slope = |step: f64| {
            let moved = model(&weights::sum(&[(1.0, from), (step, &direction)]))?;
            slope(&moved, &direction, images)
        };
        let curvature = (slope(STEP)? - slope(-STEP)?) / (2.0 * STEP);
        sum += slope(0.0)? + 0.5 * curvature;
    }
    Ok(sum / 2.0)
}

/// g·d.
fn slope(model: &Mlp, direction: &Numbers, images: &Images) -> Result<f64> {
    let rows: Vec<usize> = (0..images.labels.len()).collect();
    let (gradients, mut sum) = (transfer::loss(model, &images.batch(&rows)?)?.backward()?, 0.0);
    for_each_trained(model, &mut |place, variable| {
        if let Some(gradient) = gradients.of(variable) {
            let product = |(g, d): (&f32, &f32)| f64::from(*g) * f64::from(*d);
            sum += gradient.read(|g| g.iter().zip(&direction[place.index]).map(product).sum::<f64>());
        }
    });
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drawn,
        transfer::{Network, Setting},
    };
    use rankine_random::Rng;

    #[test]
    fn it_is_right_where_the_loss_is_smooth_and_the_networks_are_near() {
        let setting = Setting { hidden: vec![12], ..Setting::default() };
        let images = drawn::images(4, &Rng::new(1));
        let model = |numbers: &Numbers| weights::network::<Mlp>(&setting, [images.width, 10], numbers);
        let one = weights::numbers(&Mlp::build(&setting, images.width, 10, &Rng::new(2)).unwrap()).unwrap();
        // The loss is a smooth function of the head.
        let mut other = one.clone();
        let moves = Rng::new(3).normals(120, 0.2);
        other[2].iter_mut().zip(moves).for_each(|(weight, by)| *weight += by);
        let loss = |numbers: &Numbers| transfer::score(&model(numbers).unwrap(), &images).unwrap()[0];
        let middle = weights::sum(&[(0.5, &one), (0.5, &other)]);
        let rise = loss(&middle) - (loss(&one) + loss(&other)) / 2.0;
        let found = estimate([&one, &other], &model, &images).unwrap();
        assert!(rise < -1e-3 && (found - rise).abs() < 0.1 * rise.abs(), "{found} {rise}");
        assert!(estimate([&one, &one], &model, &images).unwrap().abs() < 1e-9);
    }
}
