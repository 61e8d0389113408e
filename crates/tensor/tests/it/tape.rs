use rankine_tensor::{Error, Tensor, Var, ops, untaped};

#[test]
fn a_value_no_variable_reaches_has_no_gradient() {
    let x = Tensor::scalar(2.0);
    assert_eq!(x.mul(&x).unwrap().backward().err(), Some(Error::NotTracked));
}

#[test]
fn a_frozen_weight_keeps_the_tape_empty() {
    let (x, w) = (Tensor::zeros(&[2, 3]), Tensor::zeros(&[4, 3]));
    assert!(!ops::linear(&x, &w).unwrap().is_tracked());
    let variable = Var::from_tensor(&x);
    assert!(ops::linear(&variable.tensor(), &w).unwrap().is_tracked());
    assert!(!untaped(|| ops::linear(&variable.tensor(), &w)).unwrap().is_tracked());
    assert!(variable.tensor().is_tracked());
}

#[test]
fn an_update_changes_the_numbers_and_the_old_value_stays() {
    let mut variable = Var::new(vec![1.0, 2.0], &[2]).unwrap();
    let before = variable.tensor().detach();
    variable.update(|values| values[0] = 5.0);
    assert_eq!(variable.tensor().to_vec(), [5.0, 2.0]);
    assert_eq!(before.to_vec(), [1.0, 2.0]);
    let gradients = variable.tensor().mul(&variable.tensor()).unwrap().sum().backward().unwrap();
    assert_eq!(gradients.of(&variable).unwrap().to_vec(), [10.0, 4.0]);
}

#[test]
fn gradients_of_several_uses_add_up() {
    let variable = Var::new(vec![3.0], &[1]).unwrap();
    let x = variable.tensor();
    let y = x.mul(&x).unwrap().add(&x.scale(4.0)).unwrap();
    assert_eq!(y.backward().unwrap().of(&variable).unwrap().item(), 10.0);
    let unused = Var::new(vec![1.0], &[1]).unwrap();
    assert!(x.sum().backward().unwrap().of(&unused).is_none());
}

#[test]
fn reductions_and_shapes() {
    let x = Tensor::new((0..6).map(|v| v as f32).collect(), &[2, 3]).unwrap();
    assert_eq!(x.t().unwrap().to_vec(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(x.sum_axis(0).unwrap().to_vec(), [3.0, 5.0, 7.0]);
    assert_eq!(x.narrow(1, 1, 2).unwrap().to_vec(), [1.0, 2.0, 4.0, 5.0]);
    assert_eq!(x.permute(&[1, 0]).unwrap().shape(), [3, 2]);
    assert_eq!(Tensor::concat(&[x.clone(), x.clone()], 0).unwrap().shape(), [4, 3]);
    let expected = [2.407_606, 5.407_606];
    let sums = x.log_sum_exp(1).unwrap().to_vec();
    assert!(sums.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{sums:?}");
}
