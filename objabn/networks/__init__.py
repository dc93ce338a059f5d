"""Give networks that were not trained here the interface of `model.interface`, and backbones an attention branch."""
