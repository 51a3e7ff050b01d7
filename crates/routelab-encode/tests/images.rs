//! Image files of every sort: what is read, and what is refused with the file's name.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array1;
use routelab_encode::{EncodeError, Encoder, ImageStatistics, MissingImage, Query, clip_pixels};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/images")
        .join(name)
}

fn embed(path: &Path) -> Result<Array1<f32>, EncodeError> {
    let query = Query {
        text: "",
        image: Some(path),
    };
    Ok(ImageStatistics::default()
        .encode(&[query])?
        .row(0)
        .to_owned())
}

/// The colours, in [0, 255], in the middles of the four quadrants.
fn quadrants(name: &str) -> [[f32; 3]; 4] {
    let pixels = clip_pixels(&file(name), 32).unwrap();
    let (mean, std) = (
        [0.48145466, 0.4578275, 0.40821073],
        [0.26862954, 0.261_302_6, 0.275_777_1],
    );
    [(8, 8), (8, 24), (24, 8), (24, 24)]
        .map(|(y, x)| [0, 1, 2].map(|c| (pixels[[c, y, x]] * std[c] + mean[c]) * 255.0))
}

const COLOURS: [[f32; 3]; 4] = [
    [200.0, 30.0, 30.0],
    [30.0, 180.0, 40.0],
    [40.0, 50.0, 190.0],
    [240.0, 240.0, 240.0],
];

#[test]
fn every_readable_kind_shows_its_colours() {
    // Of an animation the first frame; CMYK as RGB; transparency ignored; a palette holds only near colours.
    let kinds = [
        ("rgb.bmp", 1.0),
        ("rgb.jpg", 6.0),
        ("progressive.jpg", 6.0),
        ("cmyk.jpg", 6.0),
        ("animated.gif", 1.0),
        ("animated.png", 1.0),
        ("animated.webp", 1.0),
        ("transparent.png", 1.0),
        ("palette.png", 65.0),
    ];
    for (name, tolerance) in kinds {
        for (found, expected) in quadrants(name).iter().zip(COLOURS) {
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= tolerance,
                    "{name}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn grey_and_sixteen_bit_images_become_eight_bit_rgb() {
    let luma = [81.0, 119.0, 63.0, 240.0];
    for (found, expected) in quadrants("grey.png").iter().zip(luma) {
        for value in found {
            assert!((value - expected).abs() <= 1.0, "{value} is not {expected}");
        }
    }
    // A ramp of 16 steps of 16 · 257 from left to right.
    let [left, right, ..] = quadrants("grey16.png");
    assert!(
        (left[0] - 56.0).abs() < 10.0 && (right[0] - 184.0).abs() < 10.0,
        "{left:?} {right:?}"
    );
}

#[test]
fn unusable_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let photo = fs::read(file("rgb.jpg")).unwrap();
    let png = fs::read(file("animated.png")).unwrap();
    let cases = [
        (folder.path().join("absent.png"), "cannot read"),
        (folder.path().to_owned(), "read"),
        (write("empty.png", b""), "empty"),
        (write("text.png", b"this is not an image"), "not an image"),
        (write("cut.png", &png[..60]), "cut off"),
        (write("header.jpg", &photo[..20]), "cut off"),
        (file("bomb.png"), "30000"),
        (file("zero.png"), "decode"),
        (file("zero.gif"), ""),
    ];
    for (path, named) in cases {
        let error = embed(&path)
            .err()
            .unwrap_or_else(|| panic!("{} was read", path.display()));
        assert!(
            matches!(error, EncodeError::AtQuery { index: 0, .. }),
            "{error}"
        );
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains(named), "`{named}` is not in: {message}");
    }
}

#[test]
fn damaged_bytes_never_panic() {
    for name in [
        "rgb.jpg",
        "cmyk.jpg",
        "animated.gif",
        "animated.png",
        "animated.webp",
        "rgb.bmp",
    ] {
        let original = fs::read(file(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        for at in (0..original.len()).step_by(7) {
            let mut bytes = original.clone();
            bytes[at] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            // Either is fine: some damage is still an image.
            if let Ok(embedding) = embed(&path) {
                assert!(embedding.iter().all(|v| v.is_finite()));
            }
            fs::write(&path, &original[..at]).unwrap();
            let _ = embed(&path);
        }
    }
}

#[test]
fn a_very_wide_image_is_fine() {
    let embedding = embed(&file("wide.png")).unwrap();
    assert!((embedding.dot(&embedding) - 1.0).abs() < 1e-5);
    assert_eq!(
        clip_pixels(&file("wide.png"), 224).unwrap().dim(),
        (3, 224, 224)
    );
}

#[test]
fn statistics_are_deterministic_and_tell_images_apart() {
    let (a, b) = (file("rgb.bmp"), file("wide.png"));
    assert_eq!(embed(&a).unwrap(), embed(&a).unwrap());
    let (same, other) = (
        embed(&a)
            .unwrap()
            .dot(&embed(&file("animated.gif")).unwrap()),
        embed(&a).unwrap().dot(&embed(&b).unwrap()),
    );
    assert!(same > 0.999 && other < 0.9, "{same} {other}");
    let encoder = ImageStatistics::default();
    assert_eq!(encoder.dim(), 229);
    assert!(encoder.uses_images());
}

#[test]
fn a_query_without_an_image_is_an_error_unless_zeros_are_wanted() {
    let image = file("rgb.bmp");
    let queries = [
        Query {
            text: "",
            image: Some(&image),
        },
        Query::text("no image"),
    ];
    let error = ImageStatistics::default().encode(&queries).unwrap_err();
    assert!(
        matches!(error, EncodeError::AtQuery { index: 1, .. }),
        "{error}"
    );
    let zeros = ImageStatistics {
        missing_image: MissingImage::Zeros,
    };
    assert_ne!(zeros.id(), ImageStatistics::default().id());
    let embeddings = zeros.encode(&queries).unwrap();
    assert!(embeddings.row(0).iter().any(|&v| v != 0.0));
    assert!(embeddings.row(1).iter().all(|&v| v == 0.0));
}

const WHOLE: [&str; 17] = [
    "whole.jpg",
    "whole-progressive.jpg",
    "restarts.jpg",
    "subsampled.jpg",
    "grey.jpg",
    "rgb.jpg",
    "progressive.jpg",
    "cmyk.jpg",
    "lossy.webp",
    "lossless.webp",
    "animated.webp",
    "still.gif",
    "animated.gif",
    "transparent.png",
    "animated.png",
    "grey16.png",
    "rgb.bmp",
];

#[test]
fn an_image_that_is_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in WHOLE {
        let whole = fs::read(file(name)).unwrap();
        embed(&file(name)).unwrap_or_else(|error| panic!("{error}"));
        // Of a GIF only the first image counts, and what ends after it is whole as far as that goes.
        let end = match name {
            "animated.gif" => whole.len() / 8,
            "still.gif" => whole.len() - 2,
            _ => whole.len() - 1,
        };
        let step = (end / 60).max(1);
        for length in (1..end).step_by(step).chain([end]) {
            let path = folder.path().join(name);
            fs::write(&path, &whole[..length]).unwrap();
            let error =
                embed(&path).expect_err(&format!("{name} cut to {length} of {}", whole.len()));
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_jpeg_that_goes_on_with_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "whole.jpg",
        "whole-progressive.jpg",
        "subsampled.jpg",
        "grey.jpg",
    ] {
        let whole = fs::read(file(name)).unwrap();
        let path = folder.path().join(name);
        let length = whole.len() * 8 / 10;
        // There is an end of an image, but not of this one.
        fs::write(&path, [&whole[..length], &whole[..]].concat()).unwrap();
        let error = embed(&path).expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn bytes_after_the_end_of_an_image_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    for name in WHOLE {
        let mut bytes = fs::read(file(name)).unwrap();
        bytes.extend([0; 40]);
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(embed(&path).unwrap(), embed(&file(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_table_names_the_row_as_data_errors_do() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(file("whole.jpg")).unwrap();
    let cut = folder.path().join("cut.jpg");
    fs::write(&cut, &whole[..whole.len() * 3 / 10]).unwrap();
    let table = routelab_data::RoutingTable::new(routelab_data::RoutingTableParts {
        name: "t".to_owned(),
        models: vec!["m".to_owned()],
        ids: vec!["a".to_owned(), "b".to_owned()],
        prompts: vec!["p".to_owned(), "q".to_owned()],
        tasks: vec!["t".to_owned(), "t".to_owned()],
        images: vec![Some(file("whole.jpg")), Some(cut)],
        groups: None,
        quality: ndarray::array![[1.0], [0.0]],
        cost: ndarray::array![[1.0], [1.0]],
        cost_unit: routelab_data::CostUnit::recorded("calls"),
    })
    .unwrap();
    let error =
        routelab_encode::embed_table(&ImageStatistics::default(), &table, &|_, _| ()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("row 2 (id `b`): ")
            && message.contains("cut.jpg")
            && message.contains("cut off"),
        "{message}"
    );
}
