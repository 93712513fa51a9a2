"""Detections made of motion: occlusion, an estimator's noise, augmentation."""
