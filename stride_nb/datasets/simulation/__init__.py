"""Detections made of motion: cameras, occlusion, an estimator's noise, augmentation."""
