//! An image classifier as users name it: a folder of Hugging Face files, a folder of weights alone, or one file of weights.
//!
//! | network | known by | head |
//! | --- | --- | --- |
//! | vision transformer | `model_type` = `vit` in `config.json` | `classifier` |
//! | perceptron, LeNet | `model_type` = `mlp` or `lenet` in `config.json`, also beside a file of weights | their last matrix |
//! | MobileNetV2 | its tensor `features.0.0.weight`, where there is no `config.json` | `classifier.1` |
//! | small ResNet | its tensor `layer1.0.conv1.weight`, where there is none | `fc` |
//!
//! All but the first have no file that says what they tell apart: that is in `classes.json`, a list of names, where that stands
//! in their folder. The last two have torchvision's names, and no file that describes them at all.

use crate::added::Added;
use crate::checkpoint::has_extension;
use crate::config::{self, classes};
use crate::edit::Editable;
use crate::pickle::Pickle;
use crate::safetensors::Safetensors;
use crate::thin::{self, Thin, ThinLayers};
use crate::{
    Adapter, Dtype, Error, Result, TensorInfo, Tensors, aliases, mapping, module_names, torchvision,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CONFIG: &str = "config.json";
const CLASSES: &str = "classes.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// The image classifiers that are implemented.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    /// A vision transformer, with its sizes.
    Vit(config::Vit),
    /// MobileNetV2, which has its sizes from its tensors.
    MobileNetV2,
    /// A small residual network, likewise.
    ResNet,
    /// A plain chain of layers, with its settings.
    Chain(config::Chain),
}

impl Network {
    /// The module that gives the scores of the classes.
    pub fn head(&self) -> &str {
        match self {
            Self::Vit(_) => "classifier",
            Self::MobileNetV2 => "classifier.1",
            Self::ResNet => "fc",
            Self::Chain(chain) => chain.head(),
        }
    }

    /// What `model_type` calls it, or would.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vit(_) => "vit",
            Self::MobileNetV2 => "mobilenet_v2",
            Self::ResNet => "resnet",
            Self::Chain(chain) => chain.name(),
        }
    }

    /// The network that tensors of these names are of, where no file tells.
    fn of(tensors: &dyn Tensors) -> Option<Self> {
        let is_there = |name: &str| tensors.infos().contains_key(name);
        if is_there(torchvision::STEM) {
            return Some(Self::MobileNetV2);
        }
        is_there("layer1.0.conv1.weight").then_some(Self::ResNet)
    }
}

/// An opened image classifier.
#[derive(Debug)]
pub struct ImageCheckpoint {
    path: PathBuf,
    network: Network,
    /// `config.json`; null where there is none.
    raw: Value,
    classes: Option<Vec<String>>,
    tensors: Added,
}

impl ImageCheckpoint {
    /// Opens a folder or a file of weights; `None` where it is none of an image classifier.
    ///
    /// # Errors
    /// When a file is damaged, or `config.json` names sizes that do not fit each other.
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let file = path.join(CONFIG);
        let mut layers = None;
        if file.is_file() {
            let raw;
            (raw, layers) = thin::read_config(path)?;
            if raw["model_type"] == "vit" {
                return Self::vit(path, raw, layers).map(Some);
            }
            if config::Chain::is_named(&raw) {
                return Self::chain(path, raw, layers).map(Some);
            }
            // A network without a file of its own has one where its layers are thin.
            if layers.is_none() || !raw.is_null() {
                return Ok(None);
            }
        }
        let known = ["safetensors", "pth", "pt", "bin"];
        let named = path.is_file() && known.iter().any(|extension| has_extension(path, extension));
        if !named && !Safetensors::is_in(path) && !Pickle::is_in(path) {
            return Ok(None);
        }
        // A file beside the weights that cannot be read may be of something else.
        if named
            && let Ok(raw) = mapping::read_json(&folder(path).join(CONFIG))
            && config::Chain::is_named(&raw)
        {
            return Self::chain(path, raw, None).map(Some);
        }
        let tensors = weights(path, layers, None)?;
        let Some(network) = Network::of(tensors.as_ref()) else { return Ok(None) };
        Self::with(path, network, Value::Null, tensors).map(Some)
    }

    fn with(path: &Path, network: Network, raw: Value, tensors: Arc<dyn Tensors>) -> Result<Self> {
        let classes = mapping::read_json_if_there(&folder(path).join(CLASSES))?;
        Ok(Self { path: path.to_owned(), network, raw, classes, tensors: Added::beside(tensors) })
    }

    fn chain(path: &Path, raw: Value, layers: Option<ThinLayers>) -> Result<Self> {
        let tensors = weights(path, layers, None)?;
        let chain = config::Chain::parse(&raw, tensors.infos());
        let chain = chain.map_err(|fault| Error::Config { path: folder(path).join(CONFIG), fault })?;
        Self::with(path, Network::Chain(chain), raw, tensors)
    }

    fn vit(path: &Path, raw: Value, layers: Option<ThinLayers>) -> Result<Self> {
        let fault = |fault| Error::Config { path: path.join(CONFIG), fault };
        let network = Network::Vit(config::Vit::parse(&raw).map_err(fault)?);
        let classes = classes::of_images(&raw).map_err(fault)?;
        let tensors = Added::beside(weights(path, layers, Some(aliases::vit))?);
        Ok(Self { path: path.to_owned(), network, raw, classes, tensors })
    }

    /// The folder or the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which network it is.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// All tensors, by their names in files of transformers 4 and 5, in torchvision, or in a file of their own.
    pub fn tensors(&self) -> &dyn Tensors {
        &self.tensors
    }

    /// How many classes its head tells apart; `None` where it has no head.
    pub fn head_classes(&self) -> Option<usize> {
        self.tensors.infos().get(&format!("{}.weight", self.network.head())).map(TensorInfo::rows)
    }

    /// Names of the classes, in their order, where a file tells; as many as the head has.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref().filter(|names| Some(names.len()) == self.head_classes())
    }

    /// Colours of the images that it looks at; 0 where its first tensor is missing, or is a matrix that does not tell.
    pub fn channels(&self) -> usize {
        let first = match &self.network {
            Network::Vit(vit) => return vit.channels,
            Network::MobileNetV2 => torchvision::STEM,
            Network::ResNet => "conv1.weight",
            Network::Chain(chain) => return chain.channels.unwrap_or(0),
        };
        self.tensors.infos().get(first).and_then(|info| info.shape.get(1).copied()).unwrap_or(0)
    }

    /// Names the classes, in memory; `tensors` (name, shape, row-major numbers) stand in the place of its head, or are one.
    pub fn make_classifier(&mut self, names: &[String], tensors: Vec<(String, Vec<usize>, Vec<f32>)>) {
        if let Network::Vit(_) = self.network {
            classes::set_of_images(&mut self.raw, names);
        }
        self.classes = Some(names.to_vec());
        for (name, shape, values) in tensors {
            self.tensors.insert(name, shape, values);
        }
    }

    /// Name and shape of every tensor without which there is no such network, in its order; not of the head, which a file may
    /// lack. The sizes of all but vision transformers are those of the file: what is missing there has none.
    pub fn required(&self) -> Vec<(String, Vec<usize>)> {
        let infos = self.tensors.infos();
        let names = match &self.network {
            Network::Vit(vit) => return vit.tensors(&self.raw),
            Network::MobileNetV2 => torchvision::mobilenet_v2(),
            Network::ResNet => torchvision::resnet(infos),
            Network::Chain(chain) => {
                chain.modules().into_iter().map(|module| format!("{module}.weight")).collect()
            }
        };
        let shape = |name: &String| infos.get(name).map(|info| info.shape.clone()).unwrap_or_default();
        names.into_iter().map(|name| (name.clone(), shape(&name))).collect()
    }

    /// An adapter under the names of the files.
    ///
    /// # Errors
    /// When it has other names, and does not fit the model.
    pub fn settle(&self, adapter: Adapter) -> Result<Adapter> {
        match self.network {
            Network::Vit(_) => module_names::settled(adapter, &self.tensors),
            Network::MobileNetV2 | Network::ResNet | Network::Chain(_) => Ok(adapter),
        }
    }

    /// What is done to an image before the network sees it: `preprocessor_config.json` beside the weights, and its path; `None`
    /// where there is none.
    ///
    /// # Errors
    /// When the file is no JSON.
    pub fn preprocessor(&self) -> Result<Option<(PathBuf, Value)>> {
        let path = folder(&self.path).join(PREPROCESSOR);
        Ok(mapping::read_json_if_there(&path)?.map(|value| (path, value)))
    }

    /// Small files beside the weights that a copy of the model should have too, besides those that
    /// [`describe`](Self::describe) gives.
    pub fn companions(&self) -> Vec<PathBuf> {
        Some(folder(&self.path).join(PREPROCESSOR)).filter(|path| path.is_file()).into_iter().collect()
    }

    /// Name and content of the files that tell what a copy of the model is, whose weights are stored as `dtype`.
    pub fn describe(&self, dtype: Option<Dtype>) -> Vec<(&'static str, Value)> {
        let config = match &self.network {
            Network::Vit(_) => {
                let mut json = self.raw.clone();
                config::set_dtype(&mut json, dtype);
                return vec![(CONFIG, json)];
            }
            Network::MobileNetV2 | Network::ResNet => None,
            Network::Chain(chain) => Some((CONFIG, chain.described(&self.raw))),
        };
        let classes = self.classes().map(|names| (CLASSES, json!(names)));
        config.into_iter().chain(classes).collect()
    }
}

/// As [`open_tensors`](crate::open_tensors), renamed by `rename`, some as the products of `layers`.
fn weights(path: &Path, layers: Option<ThinLayers>, rename: Option<Rename>) -> Result<Arc<dyn Tensors>> {
    fn settled<T: Editable>(tensors: T, rename: Option<Rename>) -> T {
        let mut tensors = aliases::unwrapped(tensors);
        if let Some(rename) = rename {
            tensors.rename(rename);
        }
        tensors
    }
    if let Some(layers) = layers {
        return Ok(Arc::new(Thin::new(settled(Safetensors::open(path)?, rename), &layers)?));
    }
    let is_safetensors = match path.is_dir() {
        true => Safetensors::is_in(path) || !Pickle::is_in(path),
        false => has_extension(path, "safetensors"),
    };
    Ok(match is_safetensors {
        true => Arc::new(settled(Safetensors::open(path)?, rename)),
        false => Arc::new(settled(Pickle::open(path)?, rename)),
    })
}

/// The name of a tensor by that in the file; those that it has none for are passed over.
type Rename = fn(&str) -> Option<String>;

/// Where the small files of a model stand: in its folder, or beside its file.
fn folder(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::TensorsWriter;
    use indexmap::IndexMap;
    use rankine_testkit::fixtures;

    fn open(name: &str) -> ImageCheckpoint {
        ImageCheckpoint::open(fixtures::path(&format!("images/{name}"))).unwrap().unwrap()
    }

    #[test]
    fn networks_are_known_by_their_files() {
        let (vit, mobilenet, resnet) = (open("vit"), open("mobilenet/model.pth"), open("resnet"));
        assert!(matches!(vit.network(), Network::Vit(sizes) if sizes.patches() == 9));
        assert_eq!((mobilenet.network(), resnet.network()), (&Network::MobileNetV2, &Network::ResNet));
        let facts = |model: &ImageCheckpoint| (model.head_classes(), model.channels());
        assert_eq!(
            (facts(&vit), facts(&mobilenet), facts(&resnet)),
            ((Some(3), 1), (Some(5), 3), (Some(3), 1))
        );
        assert_eq!(vit.classes().unwrap()[2], "LABEL_2");
        assert!(mobilenet.classes().is_none() && mobilenet.preprocessor().unwrap().is_none());
    }

    #[test]
    fn what_is_no_image_classifier_is_left_to_others() {
        for name in ["models/llama_tied", "classifiers/bert", "adapters/dora", "images/vit/config.json"] {
            assert!(ImageCheckpoint::open(fixtures::path(name)).unwrap().is_none(), "{name}");
        }
        assert!(ImageCheckpoint::open("nowhere at all").unwrap().is_none());
    }

    #[test]
    fn names_of_classes_stand_beside_a_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.pth");
        std::fs::copy(fixtures::path("images/mobilenet/model.pth"), &file).unwrap();
        std::fs::write(folder.path().join(CLASSES), r#"["a", "b", "c", "d", "e"]"#).unwrap();
        let opened = ImageCheckpoint::open(&file).unwrap().unwrap();
        assert_eq!(opened.classes().unwrap()[4], "e");
    }

    #[test]
    fn what_data_parallel_puts_before_all_names_is_taken_off() {
        let held = |names: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            let info = TensorInfo { shape: vec![1], dtype: Dtype::F32, bytes: 0 };
            let infos: IndexMap<_, _> = names.iter().map(|name| ((*name).to_owned(), info.clone())).collect();
            let writer = TensorsWriter::create(&folder.path().join("model.safetensors"), &infos).unwrap();
            names.iter().for_each(|name| writer.write(name, &[1.0]).unwrap());
            writer.finish().unwrap();
            folder
        };
        let all = held(&["module.conv1.weight", "module.layer1.0.conv1.weight"]);
        let opened = ImageCheckpoint::open(all.path()).unwrap().unwrap();
        assert_eq!(opened.network(), &Network::ResNet);
        let names: Vec<_> = opened.tensors().infos().keys().collect();
        assert_eq!(names, ["conv1.weight", "layer1.0.conv1.weight"]);
        let some = held(&["conv1.weight", "module.layer1.0.conv1.weight"]);
        assert!(ImageCheckpoint::open(some.path()).unwrap().is_none());
        let unknown = held(&["module.a.weight", "module.b.weight"]);
        for (folder, expected) in
            [(&unknown, ["a.weight", "b.weight"]), (&some, ["conv1.weight", "module.layer1.0.conv1.weight"])]
        {
            let opened = crate::open_tensors(folder.path()).unwrap();
            assert_eq!(opened.infos().keys().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn whole_files_have_what_is_required_of_them_and_a_head() {
        // Norms of torchvision count their batches.
        for (name, beside) in [("vit", 2), ("mobilenet/model.pth", 2 + 52), ("resnet", 2 + 11)] {
            let model = open(name);
            let (required, infos) = (model.required(), model.tensors().infos());
            for (tensor, shape) in &required {
                assert_eq!(infos.get(tensor).map(|info| &info.shape), Some(shape), "{name}: {tensor}");
            }
            assert_eq!(infos.len(), required.len() + beside, "{name}");
        }
    }

    #[test]
    fn a_new_head_takes_the_place_of_the_old_one() {
        let names = ["cat", "dog"].map(str::to_owned);
        let mut vit = open("vit");
        let (weight, bias) = ("classifier.weight".to_owned(), "classifier.bias".to_owned());
        vit.make_classifier(
            &names,
            vec![(weight, vec![2, 16], vec![0.5; 32]), (bias, vec![2], vec![0.0; 2])],
        );
        assert_eq!((vit.head_classes(), vit.classes().unwrap()), (Some(2), &names[..]));
        let mut row = [0.0; 16];
        vit.tensors().read_rows("classifier.weight", 1..2, &mut row).unwrap();
        assert_eq!(row, [0.5; 16]);
        let files = vit.describe(Some(Dtype::F16));
        let [(name, config)] = &files[..] else { panic!("one file") };
        assert_eq!(
            (*name, &config["id2label"]["1"], &config["dtype"]),
            (CONFIG, &json!("dog"), &json!("float16"))
        );
        let mut resnet = open("resnet");
        assert!(resnet.describe(None).is_empty());
        resnet.make_classifier(&["a", "b", "c"].map(str::to_owned), Vec::new());
        assert_eq!(resnet.describe(None), [(CLASSES, json!(["a", "b", "c"]))]);
    }
}
