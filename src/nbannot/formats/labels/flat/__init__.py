"""Boxes, outlines and masks of pictures: COCO, YOLO, Pascal VOC and tables of boxes."""
