# bazel: data = ["//deps:files"]

from tools import install_torch


def test_one_version_is_asked_for():
    assert install_torch.requirement("# why\n\ntorch==2.13.0\n") == "torch==2.13.0"
    assert install_torch.requirement(install_torch.REQUIREMENTS.read_text()).startswith("torch==")


def test_wheels_with_cuda_are_left_alone():
    assert install_torch.is_light("2.13.0+cpu", "linux")
    assert not install_torch.is_light("2.13.0", "linux")
    assert not install_torch.is_light("2.13.0+cu130", "linux")
    assert install_torch.is_light("2.13.0", "darwin")


def test_what_is_locked_stays():
    text = "# made by\nnumpy[extra,more]==2.1 \\\n    --hash=sha256:a\n    # via x\nscipy==1.14\n"
    assert install_torch.pins(text) == ["numpy==2.1", "scipy==1.14"]
