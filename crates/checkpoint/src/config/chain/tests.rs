use super::*;
use crate::Dtype;

fn infos(tensors: &[(&str, &[usize])]) -> IndexMap<String, TensorInfo> {
    let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
    tensors.iter().map(|(name, shape)| ((*name).to_owned(), info(shape))).collect()
}

fn perceptron() -> IndexMap<String, TensorInfo> {
    infos(&[("0.weight", &[8, 48]), ("0.bias", &[8]), ("2.weight", &[3, 8]), ("2.bias", &[3])])
}

/// Images of one size alone.
fn one(sides: [usize; 2]) -> Option<Sides> {
    Some(Sides { least: sides, most: sides })
}

/// LeNet-5 of 28 × 28 pixels.
fn lenet() -> IndexMap<String, TensorInfo> {
    infos(&[
        ("conv1.weight", &[6, 1, 5, 5]),
        ("conv1.bias", &[6]),
        ("conv2.weight", &[16, 6, 5, 5]),
        ("fc1.weight", &[120, 400]),
        ("fc2.weight", &[84, 120]),
        ("fc3.weight", &[10, 84]),
    ])
}

#[test]
fn sizes_are_those_of_the_tensors() {
    let found = Chain::parse(&json!({"model_type": "mlp"}), &perceptron()).unwrap();
    assert_eq!((found.modules(), found.head(), found.name()), (vec!["0".into(), "2".into()], "2", "mlp"));
    assert_eq!((found.activation, found.channels, found.sides), (Activation::Relu, Some(3), one([4, 4])));
    let file = json!({"model_type": "lenet", "activation": "tanh", "padding": [2, 0]});
    let found = Chain::parse(&file, &lenet()).unwrap();
    assert_eq!((found.matrices.len(), found.head(), found.name()), (3, "fc3", "lenet"));
    let settings = found.convolutions.iter().map(|layer| (layer.padding, layer.stride, layer.pool));
    assert_eq!(settings.collect::<Vec<_>>(), [(2, 1, 2), (0, 1, 2)]);
    // (28/2 − 4)/2 = 5, and 16·5² = 400; up to 31 pixels would fill it too, and leave some out.
    let sides = Some(Sides { least: [28; 2], most: [31; 2] });
    assert_eq!((found.activation, found.channels, found.sides), (Activation::Tanh, Some(1), sides));
    // Without padding it is LeNet-5 as it was published, of 32 × 32.
    let found = Chain::parse(&json!({"model_type": "lenet"}), &lenet()).unwrap();
    assert_eq!(found.sides, Some(Sides { least: [32; 2], most: [35; 2] }));
}

#[test]
fn what_is_not_told_is_left_open_or_said() {
    let wide = infos(&[("a.weight", &[5, 26]), ("b.weight", &[2, 5])]);
    let parse = |more: Value| {
        let mut file = json!({"model_type": "mlp"});
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Chain::parse(&file, &wide).map(|found| (found.channels, found.sides))
    };
    assert_eq!(parse(json!({})), Ok((None, None)));
    assert_eq!(parse(json!({"image_size": [2, 13]})), Ok((Some(1), one([2, 13]))));
    assert_eq!(parse(json!({"num_channels": 26})), Ok((Some(26), one([1, 1]))));
    assert_eq!(parse(json!({"image_size": 5})), Err(Fault::ImageSize { found: [5, 5], inputs: 26 }));
}

#[test]
fn an_order_that_names_do_not_tell_is_given() {
    let sorted = infos(&[("head.weight", &[2, 4]), ("inner.weight", &[4, 9])]);
    let file = json!({"model_type": "mlp", "layers": ["inner", "head"]});
    let found = Chain::parse(&file, &sorted).unwrap();
    assert_eq!((found.head(), found.described(&file)), ("head", file));
    let error = Chain::parse(&json!({"model_type": "mlp"}), &sorted).unwrap_err();
    assert_eq!(error, Fault::Layer { name: "inner.weight".to_owned() });
    assert!(error.hint().unwrap().contains("\"layers\""));
    let described = Chain::parse(&json!({"model_type": "mlp"}), &perceptron()).unwrap();
    assert_eq!(described.described(&json!({"model_type": "mlp"}))["layers"], json!(["0", "2"]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let normed = |mut tensors: IndexMap<String, TensorInfo>| {
        tensors.extend(infos(&[("bn.weight", &[3])]));
        tensors
    };
    let maps = infos(&[("a.weight", &[4, 1, 3, 3])]);
    for (file, tensors, part) in [
        (json!({"model_type": "mlp", "activaton": "relu"}), perceptron(), "`activaton` is no key"),
        (json!({"model_type": "mlp", "activation": "sin"}), perceptron(), "`sin` is not supported"),
        (json!({"model_type": "mlp"}), lenet(), "there are convolutions"),
        (json!({"model_type": "lenet"}), perceptron(), "there are matrices alone"),
        (json!({"model_type": "lenet"}), maps, "no matrix gives scores"),
        (json!({"model_type": "mlp"}), infos(&[]), "no matrix gives scores"),
        (json!({"model_type": "mlp"}), normed(perceptron()), "tensor `bn.weight` does not continue"),
        (json!({"model_type": "mlp", "layers": ["0"]}), perceptron(), "tensor `2.weight` does not continue"),
        (json!({"model_type": "mlp", "layers": ["0", "3"]}), perceptron(), "tensor `3.weight`"),
        (json!({"model_type": "lenet", "padding": 5}), lenet(), "`padding` = 5 should be below"),
        (json!({"model_type": "lenet", "pool": [2, 2, 2]}), lenet(), "`pool` has 3 entries for 2"),
        (json!({"model_type": "lenet", "pool": 0}), lenet(), "`pool` is 0"),
        (json!({"model_type": "lenet", "stride": 0}), lenet(), "`stride` is 0"),
        (json!({"model_type": "lenet", "num_channels": 3}), lenet(), "`num_channels` = 3 should be"),
        (json!({"model_type": "lenet", "image_size": [28, 28, 1]}), lenet(), "key `image_size` should be"),
    ] {
        let error = Chain::parse(&file, &tensors).unwrap_err();
        assert!(error.to_string().contains(part), "{file}: {error}");
        assert!(error.hint().is_some(), "{file}");
    }
}

#[test]
fn files_for_tensors_without_one_are_read() {
    for tensors in [perceptron(), lenet()] {
        let file = Chain::example(&tensors).unwrap();
        assert!(Chain::is_named(&file) && Chain::parse(&file, &tensors).is_ok(), "{file}");
    }
    for tensors in [
        infos(&[("a.weight", &[4, 1, 3, 3])]),
        infos(&[("a.weight", &[4, 3]), ("b.weight", &[4, 3])]),
        infos(&[("a.weight", &[4, 3]), ("a.scale", &[4])]),
        infos(&[]),
    ] {
        assert_eq!(Chain::example(&tensors), None);
    }
}
